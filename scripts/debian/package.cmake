# What cpack makes: a package for Debian, of exactly what cmake --install installs. See
# scripts/package.
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME p2pchat)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "p2pchat maintainers <maintainers@p2pchat.example>") # as in changelog
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
if(P2PCHAT_STATIC)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.36)") # relocations are packed; dpkg-shlibdeps is unaware
endif()
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "encrypted peer-to-peer messages for the Unix shell")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"p2pchat sends messages from one machine to another, encrypted and signed,
without a server between them. A message goes in on standard input and
comes out on standard output; \"send\" succeeds only when the other side has
acknowledged that the message is stored there.
.
Whom a node trusts is decided by its owner, who compares one fingerprint.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_LIST_DIR}/postinst
  ${CMAKE_CURRENT_LIST_DIR}/prerm
  ${CMAKE_CURRENT_LIST_DIR}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# The terms of p2pchat and of everything that is compiled or linked into it.
set(inside libcxxopts-dev libsqlitecpp-dev nlohmann-json3-dev)
if(P2PCHAT_STATIC)
  list(APPEND inside libpoco-dev libpcre3-dev libsqlite3-dev libssl-dev libstdc++6 zlib1g-dev)
endif()
file(READ ${CMAKE_CURRENT_LIST_DIR}/copyright copyright)
foreach(package IN LISTS inside)
  if(EXISTS /usr/share/doc/${package}/copyright)
    file(READ /usr/share/doc/${package}/copyright terms)
    string(APPEND copyright "\n\n---- It contains parts of ${package}:\n\n${terms}")
  elseif(P2PCHAT_STATIC)
    message(WARNING "The terms of ${package} are not there to be packed")
  endif()
endforeach()
file(WRITE ${PROJECT_BINARY_DIR}/copyright "${copyright}")
# Staged by a script: the units have to hold the place where they end up, and what is built is packed,
# not built.
set(CPACK_INSTALL_CMAKE_PROJECTS "")
set(CPACK_INSTALL_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/stage.cmake)
set(CPACK_P2PCHAT_BUILD ${PROJECT_BINARY_DIR})
include(CPack)
