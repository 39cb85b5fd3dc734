# Installs the units for the system's manager and for those of its users. At installation, since only
# then it is known for sure where the program will be. Wants BINDIR (of GNUInstallDirs) and SCRATCH,
# a folder of ours.
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
get_filename_component(bindir "${BINDIR}" ABSOLUTE BASE_DIR "${prefix}")
set(sources "${CMAKE_CURRENT_LIST_DIR}")
string(MD5 place "$ENV{DESTDIR}${prefix}") # two installations may run at a time

# What stands for @confinement@ in a unit: the state folder alone is writable.
function(read_confinement manager writable)
  file(READ "${sources}/confinement.${manager}" own)
  file(READ "${sources}/confinement" common)
  string(CONFIGURE "${own}${common}" text @ONLY)
  set(confinement "${text}" PARENT_SCOPE)
endfunction()

foreach(manager system user)
  if(manager STREQUAL system)
    set(boot multi-user.target)
    set(edit "edit")
  else()
    set(boot default.target)
    set(edit "--user edit")
  endif()
  set(units "${sources}/p2pchat.socket" "${sources}/p2pchat-inetd.socket")
  foreach(unit p2pchat.service p2pchat-inetd@.service p2pchat-keygen.service)
    set(writable "-%h/.p2pchat")
    if(unit STREQUAL p2pchat-keygen.service)
      set(writable "%h") # where it makes that folder
    endif()
    read_confinement(${manager} "${writable}")
    configure_file("${sources}/${unit}.in" "${SCRATCH}/${place}/${manager}/${unit}" @ONLY)
    list(APPEND units "${SCRATCH}/${place}/${manager}/${unit}")
  endforeach()
  file(INSTALL DESTINATION "${prefix}/lib/systemd/${manager}" TYPE FILE FILES ${units})
endforeach()
file(INSTALL DESTINATION "${prefix}/lib/sysusers.d" TYPE FILE RENAME p2pchat.conf
     FILES "${sources}/p2pchat.sysusers")
