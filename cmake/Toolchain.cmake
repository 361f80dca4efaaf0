# How everything of ours is compiled: warnings as errors, sanitizers by preset, ccache and mold where present.
set(HOTMIC_SANITIZE "" CACHE STRING "Sanitizers to build with: empty, \"address;undefined\" or \"thread\"")

add_library(hotmic_flags INTERFACE)
target_compile_options(hotmic_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                       -Woverloaded-virtual -Wimplicit-fallthrough -Werror
                       -Wno-missing-field-initializers  # designated initializers are there to leave defaults out
                       -Wno-maybe-uninitialized)  # GCC 16 takes what a moved-from std::expected holds for never made

if(HOTMIC_SANITIZE)
  list(JOIN HOTMIC_SANITIZE "," sanitizers)
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizers})
  # GCC warns of fences that this sanitizer does not know; libraries have some.
  target_compile_options(hotmic_flags INTERFACE -Wno-tsan)
  # Every executable carries the sanitizers' options and the paths of the suppressions.
  add_library(hotmic_sanitizer_options OBJECT ${CMAKE_SOURCE_DIR}/dev/sanitizers/options.cpp)
  target_compile_features(hotmic_sanitizer_options PRIVATE cxx_std_23)
  target_compile_definitions(hotmic_sanitizer_options PRIVATE
                             HOTMIC_SANITIZERS_DIR="${CMAKE_SOURCE_DIR}/dev/sanitizers")
  target_sources(
    hotmic_flags
    INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:$<TARGET_OBJECTS:hotmic_sanitizer_options>>)
endif()

# What stands between a defect and its use by an attacker. The sanitizers find more, and do not go together with all of it.
# https://best.openssf.org/Compiler-Hardening-Guides/Compiler-Options-Hardening-Guide-for-C-and-C++
if(NOT HOTMIC_SANITIZE)
  include(CheckCXXCompilerFlag)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  add_compile_options($<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,SHARED_LIBRARY>>:-fPIE>
                      -fstack-protector-strong -fstack-clash-protection
                      $<$<CONFIG:Release>:-U_FORTIFY_SOURCE>  # a distribution's compiler may set another level
                      $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>)
  foreach(flag -fcf-protection=full -mbranch-protection=standard)  # of x86 and of ARM
    string(MAKE_C_IDENTIFIER "HOTMIC_HAS${flag}" has)
    check_cxx_compiler_flag(${flag} ${has})
    if(${has})
      add_compile_options(${flag})
    endif()
  endforeach()
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
  string(APPEND CMAKE_EXE_LINKER_FLAGS " -pie")
endif()

# Some files of a library are compiled as one, so that what all of them include is read once: less than half of the
# compiler's time. What is private to a file is therefore unique in its folder. Tests are compiled one by one, and so is
# everything for who edits one file again and again (HOTMIC_UNITY=OFF) and for the linter.
option(HOTMIC_UNITY "Compile several files of a library as one" ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
set(CMAKE_UNITY_BUILD_RELOCATABLE ON)  # or a checkout's path would be part of ccache's key
if(HOTMIC_UNITY)
  target_compile_options(hotmic_flags INTERFACE -Wno-subobject-linkage)  # takes the files for headers
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Checkouts share what they compile: their paths are not part of the key.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
