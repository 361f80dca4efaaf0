include(GoogleTest)

# hotmic_library(asr DEPS …): the static library hotmic_asr from every .cpp of this folder (not of folders below).
function(hotmic_library name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(hotmic_${name} STATIC ${sources})
  target_include_directories(hotmic_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(hotmic_${name} PUBLIC ${ARG_DEPS} PRIVATE hotmic_flags)
endfunction()

# hotmic_embeds(clip.cpp FILE …): this source takes these files in with #embed, so a change of theirs is a reason to compile it
# again. #embed is C++26 (to Clang: C23), and every compiler we support takes it.
function(hotmic_embeds source)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${ARGN}"
                              COMPILE_OPTIONS "-Wno-c++26-extensions;-Wno-c23-extensions")
endfunction()

# hotmic_test(lifecycle DEPS … LABELS …): one GoogleTest program from every .cpp of this folder. ONCE: a filter of tests that
# are tried as released only (see HOTMIC_ONCE).
function(hotmic_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;ONCE" "DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(hotmic_${name}_tests ${sources})
  target_include_directories(hotmic_${name}_tests PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(hotmic_${name}_tests PRIVATE ${ARG_DEPS} hotmic_flags GTest::gmock GTest::gtest_main)
  # Only for those that use them: what is compiled with the path of a checkout is of no use to another one's ccache.
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.hpp)
  foreach(file ${sources} ${headers})
    file(STRINGS ${file} uses REGEX "HOTMIC_(SOURCE|BINARY)_DIR" LIMIT_COUNT 1)
    if(uses)
      target_compile_definitions(hotmic_${name}_tests PRIVATE HOTMIC_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                 HOTMIC_BINARY_DIR="${CMAKE_BINARY_DIR}")
      break()
    endif()
  endforeach()
  string(REPLACE ";" "\\;" labels "${ARG_LABELS}")  # or only the first label arrives
  set(others)
  if(ARG_ONCE)
    set(others TEST_FILTER "-${ARG_ONCE}")
    gtest_discover_tests(hotmic_${name}_tests TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST TEST_FILTER "${ARG_ONCE}"
                         TEST_LIST hotmic_${name}_once PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${name}\;once")
  endif()
  gtest_discover_tests(hotmic_${name}_tests TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST ${others}
                       PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${labels}")
endfunction()

# Tried as released only (./test), since the address sanitizer would find nothing there that it does not find elsewhere:
#   what is heard, and how a browser, official clients or a fleet see it
set(HOTMIC_ONCE page.test_page page.test_page_words page.test_page_trouble page.test_page_look
                e2e.test_speech e2e.test_numbers e2e.test_numbers_multilingual e2e.test_vulkan
                e2e.test_heard e2e.test_transducer e2e.test_openai_client e2e.test_openai_npm e2e.test_fleet e2e.test_kubernetes)
#   that many servers start, end or are killed: what they do meanwhile is asked by others
list(APPEND HOTMIC_ONCE server.test_every_number e2e.test_recovery e2e.test_worker_faults server.test_planning server.test_job_keeping)
#   what is told in words and files: packages, pages, units, settings, what the command line prints, keys
list(APPEND HOTMIC_ONCE packages.test_packages contributing.test_contributing server.test_docs server.test_deploy server.test_systemd
                        server.test_keys server.test_probes server.test_vad_model
                        cli.test_admin_client cli.test_built cli.test_completions cli.test_config cli.test_several_models cli.test_transcribe
                        cli.test_usage)
#   models out of the store are the same files as others; what comes over the network is tried by store.test_pull and test_pull_faults
list(APPEND HOTMIC_ONCE store.test_convert store.test_hub_layouts store.test_server_pulls store.test_serving store.test_suggestion)

# Begun first, the longest before all, so that none is left alone at the end.
set(HOTMIC_LONGEST packages.test_packages contributing.test_contributing e2e.test_vulkan e2e.test_bad_machine server.test_every_number
                   server.test_live_listener page.test_page_trouble server.test_http_limits server.test_admin e2e.test_openai_client
                   store.test_hub_layouts e2e.test_soak page.test_page e2e.test_recovery cli.test_transcribe)

# hotmic_pytest(cli): every test_*.py of this folder as a CTest test of its own, driving the programs of this build. Each
# waits by limits of its own (HOTMIC_TEST_PATIENCE); the one here is for what hangs all the same, on a slow machine too.
function(hotmic_pytest name)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/test_*.py)
  foreach(file ${files})
    get_filename_component(test ${file} NAME_WE)
    add_test(NAME ${name}.${test} COMMAND ${Python3_EXECUTABLE} -m pytest -q -rs -p no:cacheprovider ${file})
    set(labels ${name} pytest)
    if(${name}.${test} IN_LIST HOTMIC_ONCE)
      list(APPEND labels once)
    endif()
    list(FIND HOTMIC_LONGEST ${name}.${test} place)
    set(cost 0)
    if(place GREATER_EQUAL 0)
      math(EXPR cost "1000 - ${place}")
    endif()
    set_tests_properties(${name}.${test} PROPERTIES LABELS "${labels}" TIMEOUT 1800 COST ${cost}
                         ENVIRONMENT "HOTMIC_TEST_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};PYTHONDONTWRITEBYTECODE=1")
  endforeach()
endfunction()
