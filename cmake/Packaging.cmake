# What is installed, and the Debian packages made of it (dev/package). Components: `hotmic`, the program; `hotmic-dev`, the library.
include(GNUInstallDirs)
set(HOTMIC_MAINTAINER "hotmic maintainers <hotmic@example.org>" CACHE STRING "Who answers for the packages")
if(CMAKE_LIBRARY_ARCHITECTURE)
  set(CMAKE_INSTALL_LIBDIR lib/${CMAKE_LIBRARY_ARCHITECTURE}) # as Debian has it, whatever the prefix
endif()

# --- the program ------------------------------------------------------------------------------------------------------
install(TARGETS hotmic RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT hotmic)
install(FILES deploy/systemd/hotmic.service deploy/systemd/hotmic.socket deploy/systemd/hotmic-wyoming.socket
        DESTINATION lib/systemd/system COMPONENT hotmic)
install(FILES deploy/systemd/hotmic.sysusers DESTINATION lib/sysusers.d RENAME hotmic.conf COMPONENT hotmic)
install(FILES deploy/systemd/hotmic.tmpfiles DESTINATION lib/tmpfiles.d RENAME hotmic.conf COMPONENT hotmic)
install(FILES deploy/debian/hotmic.toml DESTINATION /etc/hotmic COMPONENT hotmic)
file(GLOB manuals docs/*.md)
install(FILES ${manuals} README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hotmic COMPONENT hotmic)
install(DIRECTORY deploy/haproxy deploy/nginx deploy/caddy deploy/kubernetes deploy/prometheus deploy/grafana DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hotmic/examples
        COMPONENT hotmic)
install(FILES deploy/systemd/hotmic.service.d/gpu.conf.example DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hotmic/examples COMPONENT hotmic)

# Manual pages, completions, changelogs: out of the program itself, so made by a target of their own, which dev/package builds.
set(written ${CMAKE_BINARY_DIR}/packaging)
add_custom_target(hotmic_packaging
  COMMAND ${CMAKE_SOURCE_DIR}/dev/package-files $<TARGET_FILE:hotmic> ${written} ${PROJECT_VERSION} ${HOTMIC_MAINTAINER}
  DEPENDS hotmic VERBATIM)
install(DIRECTORY ${written}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT hotmic)
install(FILES ${written}/completions/hotmic.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME hotmic
        COMPONENT hotmic)
install(FILES ${written}/completions/hotmic.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _hotmic
        COMPONENT hotmic)
install(FILES ${written}/completions/hotmic.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT hotmic)
foreach(component hotmic hotmic-dev)
  install(FILES ${written}/copyright ${written}/changelog.gz ${written}/changelog.Debian.gz
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${component} COMPONENT ${component})
endforeach()

# --- the library ------------------------------------------------------------------------------------------------------
# One archive of all parts below the server: these, and what they link.
set(parts hotmic_live hotmic_worker hotmic_providers)
set(objects)
while(parts)
  list(POP_FRONT parts part)
  list(APPEND objects $<TARGET_OBJECTS:${part}>)
  get_target_property(links ${part} LINK_LIBRARIES)
  list(FILTER links INCLUDE REGEX "^hotmic_")
  list(REMOVE_ITEM links hotmic_flags)
  list(APPEND parts ${links})
endwhile()
list(REMOVE_DUPLICATES objects)
add_library(hotmic_archive STATIC EXCLUDE_FROM_ALL ${objects})
set_target_properties(hotmic_archive PROPERTIES OUTPUT_NAME hotmic LINKER_LANGUAGE CXX)
# What a program that uses it links, too: pkg-config's modules, and the packages that bring them.
set(HOTMIC_MODULES spdlog fmt zlib libcrypto libsystemd libseccomp whisper libonnxruntime kissfft-float pocketsphinx libavformat libavcodec libswresample libavutil)
set(HOTMIC_MODULE_PACKAGES libspdlog-dev libfmt-dev zlib1g-dev libsystemd-dev libseccomp-dev libwhisper-dev libggml-dev libonnxruntime-dev libkissfft-dev
    libpocketsphinx-dev libavformat-dev libavcodec-dev libswresample-dev libavutil-dev libunistring-dev libssl-dev)
list(JOIN HOTMIC_MODULES " " HOTMIC_MODULES_LINE)
configure_file(cmake/hotmicConfig.cmake.in ${CMAKE_BINARY_DIR}/hotmicConfig.cmake @ONLY)
configure_file(cmake/hotmic.pc.in ${CMAKE_BINARY_DIR}/hotmic.pc @ONLY)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/hotmicConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(DIRECTORY include/hotmic DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT hotmic-dev)
install(FILES $<TARGET_FILE:hotmic_archive> DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT hotmic-dev)
install(CODE "execute_process(COMMAND ${CMAKE_STRIP} --strip-debug \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libhotmic.a\" COMMAND_ERROR_IS_FATAL ANY)"
        COMPONENT hotmic-dev)
install(FILES ${CMAKE_BINARY_DIR}/hotmicConfig.cmake ${CMAKE_BINARY_DIR}/hotmicConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hotmic COMPONENT hotmic-dev)
install(FILES ${CMAKE_BINARY_DIR}/hotmic.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT hotmic-dev)
install(DIRECTORY examples/library DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hotmic-dev/examples COMPONENT hotmic-dev)

# --- the packages -----------------------------------------------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_COMPONENTS_ALL hotmic hotmic-dev)
set(CPACK_STRIP_FILES TRUE)
set(CPACK_THREADS 0)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${HOTMIC_MAINTAINER}")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_HOTMIC_PACKAGE_NAME hotmic)
set(CPACK_DEBIAN_HOTMIC_PACKAGE_SECTION sound)
set(CPACK_DEBIAN_HOTMIC_DESCRIPTION "speech-to-text server whose models are ready when it says so
Serves OpenAI's transcription and Realtime APIs, EchoPanel's captions, Wyoming
and the Open Inference Protocol. Models (Whisper, streaming transducers,
PocketSphinx) are loaded and warmed up before they are called ready, run in
processes of their own, and are replaced without losing a request.")
set(CPACK_DEBIAN_HOTMIC_PACKAGE_SHLIBDEPS ON)
# OpenTelemetry's libraries have no versions in their names, so dpkg-shlibdeps knows nothing of them: the release that we were
# built with, and no later one.
set(opentelemetry_release ${opentelemetry_opentelemetry_trace_VERSION})
string(REGEX MATCH "^([0-9]+)[.]([0-9]+)" opentelemetry_series ${opentelemetry_release})
math(EXPR opentelemetry_next "${CMAKE_MATCH_2} + 1")
set(CPACK_DEBIAN_HOTMIC_PACKAGE_DEPENDS
    "systemd | systemd-standalone-sysusers | systemd-sysusers, systemd | systemd-standalone-tmpfiles | systemd-tmpfiles, opentelemetry-cpp (>= ${opentelemetry_series}), opentelemetry-cpp (<< ${CMAKE_MATCH_1}.${opentelemetry_next}~)")
set(CPACK_DEBIAN_HOTMIC_PACKAGE_RECOMMENDS "ca-certificates, pocketsphinx-en-us")
set(CPACK_DEBIAN_HOTMIC_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
    ${CMAKE_SOURCE_DIR}/deploy/debian/postrm ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles)

set(CPACK_DEBIAN_HOTMIC-DEV_PACKAGE_NAME hotmic-dev)
set(CPACK_DEBIAN_HOTMIC-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_HOTMIC-DEV_DESCRIPTION "speech-to-text library of hotmic, for C++
Headers, archive, and descriptions for CMake and pkg-config of the library that
the server hotmic is made of: engines, the life of models, live streams.")
list(JOIN HOTMIC_MODULE_PACKAGES ", " dev_depends)
set(CPACK_DEBIAN_HOTMIC-DEV_PACKAGE_DEPENDS "${dev_depends}")
include(CPack)
