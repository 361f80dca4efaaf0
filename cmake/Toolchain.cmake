# How everything of ours is compiled: warnings as errors, sanitizers by preset, ccache and mold where present.
set(HOTMIC_SANITIZE "" CACHE STRING "Sanitizers to build with: empty, \"address;undefined\" or \"thread\"")

add_library(hotmic_flags INTERFACE)
target_compile_options(hotmic_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                       -Woverloaded-virtual -Wimplicit-fallthrough -Werror
                       -Wno-missing-field-initializers)  # designated initializers are there to leave defaults out

if(HOTMIC_SANITIZE)
  list(JOIN HOTMIC_SANITIZE "," sanitizers)
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizers})
  # GCC's flow warnings misfire on instrumented code; the other presets keep them.
  target_compile_options(hotmic_flags INTERFACE -Wno-maybe-uninitialized -Wno-tsan)
  # Every executable carries the sanitizers' options and the paths of the suppressions.
  set(sanitizer_options ${CMAKE_SOURCE_DIR}/dev/sanitizers/options.cpp)
  target_sources(hotmic_flags INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${sanitizer_options}>)
  target_compile_definitions(hotmic_flags INTERFACE HOTMIC_SANITIZERS_DIR="${CMAKE_SOURCE_DIR}/dev/sanitizers")
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
