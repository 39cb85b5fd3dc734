# cpack runs this to fill CPACK_TEMPORARY_INSTALL_DIRECTORY, the root of the package: what is
# installed, in the form that Debian's policy asks for.
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(status)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${status}\n${said}")
  endif()
endfunction()

run(${CMAKE_COMMAND} -E env "DESTDIR=${root}"
    ${CMAKE_COMMAND} --install "${CPACK_P2PCHAT_BUILD}" --prefix /usr)
run(strip --strip-unneeded --remove-section=.comment --remove-section=.note
    "${root}/usr/bin/p2pchat")
# Debian's zsh looks there for what is not Debian's own.
if(EXISTS "${root}/usr/share/zsh/site-functions")
  file(RENAME "${root}/usr/share/zsh/site-functions" "${root}/usr/share/zsh/vendor-completions")
endif()

set(doc "${root}/usr/share/doc/p2pchat")
file(COPY "${CMAKE_CURRENT_LIST_DIR}/changelog" "${CPACK_P2PCHAT_BUILD}/copyright"
     DESTINATION "${doc}")
file(GLOB pages "${root}/usr/share/man/*/*") # whichever are installed
run(gzip --best --no-name "${doc}/changelog" ${pages})

# Whatever the umask and the source tree are.
run(chmod -R u=rwX,go=rX "${root}")
