# SPDX-License-Identifier: GPL-2.0-or-later
# What `cmake --install` and the Debian package (`cpack -G DEB` in the build directory, or the target `package`) put where.
install(TARGETS danegate RUNTIME DESTINATION sbin)
install(FILES conf/danegate.bash-completion DESTINATION share/bash-completion/completions RENAME danegate)
install(FILES conf/danegate.toml README.md DESTINATION share/doc/danegate)
install(FILES conf/danegate-alerts.yml conf/danegate-fail2ban.conf conf/danegate-grafana.json conf/danegate-rsyslog.conf
  DESTINATION share/doc/danegate/examples)
install(FILES conf/package/copyright DESTINATION share/doc/danegate)

# Debian wants them compressed, without a date inside.
add_custom_target(danegate_packed)
add_dependencies(danegate danegate_packed)
function(danegate_compressed source destination name)
  set(packed ${PROJECT_BINARY_DIR}/packed/${name}.gz)
  add_custom_command(OUTPUT ${packed} DEPENDS ${source} VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/packed
    COMMAND sh -c "gzip -9n <\"$0\" >\"$1\"" ${source} ${packed})
  add_custom_target(danegate_packed_${name} DEPENDS ${packed})
  add_dependencies(danegate_packed danegate_packed_${name})
  install(FILES ${packed} DESTINATION ${destination})
endfunction()
configure_file(conf/package/changelog ${PROJECT_BINARY_DIR}/changelog @ONLY)
danegate_compressed(${PROJECT_SOURCE_DIR}/conf/man/danegate.8 share/man/man8 danegate.8)
danegate_compressed(${PROJECT_SOURCE_DIR}/conf/man/danegate.toml.5 share/man/man5 danegate.toml.5)
danegate_compressed(${PROJECT_BINARY_DIR}/changelog share/doc/danegate changelog)

# The units name the program by its place, which is known when it is installed. A configuration that is there stays.
install(CODE "
  set(source \"${PROJECT_SOURCE_DIR}/conf\")
  foreach(unit danegate.service danegate-rules.service danegate-rules-check.service danegate-rules-check.timer)
    file(READ \"\${source}/\${unit}\" text)
    string(REPLACE \"/usr/sbin/danegate\" \"\${CMAKE_INSTALL_PREFIX}/sbin/danegate\" text \"\${text}\")
    set(file \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/\${unit}\")
    message(STATUS \"Installing: \${file}\")
    file(WRITE \"\${file}\" \"\${text}\")
    file(CHMOD \"\${file}\" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  endforeach()
  if(NOT EXISTS \"\$ENV{DESTDIR}/etc/danegate/danegate.toml\")
    file(INSTALL \"\${source}/danegate.toml\" DESTINATION /etc/danegate)
  endif()")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME danegate)
set(CPACK_PACKAGE_VENDOR danegate)
set(CPACK_PACKAGE_CONTACT "The danegate authors <danegate@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "transparent SMTP proxy that verifies outgoing mail by DANE")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "The packet filter hands danegate the outgoing SMTP connections of a mail server
that cannot do DANE. It finds the recipients' mail servers by DNSSEC, demands
STARTTLS of them and verifies their certificates by their TLSA records
(RFC 7672). What cannot be verified stays in the mail server's queue.")
set(CPACK_SET_DESTDIR ON) # /etc is not below the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
execute_process(COMMAND dpkg-architecture -t${CMAKE_LIBRARY_ARCHITECTURE} -qDEB_HOST_ARCH
  OUTPUT_VARIABLE architecture OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT architecture) # no dpkg-dev: without it there is no package either
  set(architecture unknown)
endif()
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture})
set(CPACK_DEBIAN_FILE_NAME danegate_${PROJECT_VERSION}_${architecture}.deb)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "iptables, iproute2, dns-root-data, ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nftables, bash-completion")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/conf/package/conffiles ${PROJECT_SOURCE_DIR}/conf/package/postinst
  ${PROJECT_SOURCE_DIR}/conf/package/prerm ${PROJECT_SOURCE_DIR}/conf/package/postrm)
include(CPack)
