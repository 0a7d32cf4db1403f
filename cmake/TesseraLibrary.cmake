# Every target of the tree, tests included, is built with TESSERA_SANITIZE's sanitizers.
set(TESSERA_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize: address,undefined or thread")
if(TESSERA_SANITIZE)
  add_compile_options(-fsanitize=${TESSERA_SANITIZE} -fno-omit-frame-pointer)
  # With sanitizers, g++ 12 takes std::function in <regex> for uninitialised.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${TESSERA_SANITIZE})
endif()

# Headers of others are half of what a build reads, so a release build reads them once: the target
# tessera_headers has the common ones for every library, a library that leans on more has its own. Other
# builds include what each file names and nothing else, so a forgotten #include is found there.
# A file with compile options of its own must set SKIP_PRECOMPILE_HEADERS.
option(TESSERA_PRECOMPILE "precompile the headers of others in release builds" ON)
set(tessera_common_headers <algorithm> <chrono> <cmath> <cstdint> <cstring> <filesystem> <fstream>
  <functional> <limits> <map> <memory> <mutex> <numeric> <optional> <set> <span> <sstream> <string>
  <string_view> <thread> <tuple> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
# tessera_precompile(TARGET OWNER [<p> <q> ...]): shares what OWNER precompiles, or owns it.
function(tessera_precompile target owner)
  if(NOT TESSERA_PRECOMPILE OR NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  if(target STREQUAL owner)
    target_precompile_headers(${target} PRIVATE ${tessera_common_headers} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endif()
  # What compiler caches need to see through a precompiled header.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endfunction()

# tessera_library(NAME LINKS a b ... SYSTEM x y ... PRECOMPILED <p> <q> ...)
#
# Makes the library tessera_NAME from every .cpp file of the calling folder (and of the
# sub-folders listed in FOLDERS). PRECOMPILED lists headers that many of its files include. Includes are relative to the root of the tree, so
# `#include "ir/dim.h"` means the same in the tree and in an installed copy.
function(tessera_library name)
  cmake_parse_arguments(ARG "" "" "LINKS;SYSTEM;FOLDERS;EXCLUDE;PRECOMPILED" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(folder IN LISTS ARG_FOLDERS)
    file(GLOB more CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND sources ${more})
  endforeach()
  foreach(file IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  if(NOT sources)
    add_library(tessera_${name} INTERFACE)
    return()
  endif()
  add_library(tessera_${name} STATIC ${sources})
  add_library(tessera::${name} ALIAS tessera_${name})
  target_include_directories(tessera_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/tessera>)
  target_compile_options(tessera_${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow
    -Wnon-virtual-dtor -Woverloaded-virtual
    # g++ 12 sees overlaps in std::string that are not there (its bug 105651).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  foreach(other IN LISTS ARG_LINKS)
    target_link_libraries(tessera_${name} PUBLIC tessera_${other})
  endforeach()
  target_link_libraries(tessera_${name} PRIVATE ${ARG_SYSTEM})
  if(ARG_PRECOMPILED)
    tessera_precompile(tessera_${name} tessera_${name} ${ARG_PRECOMPILED})
  else()
    tessera_precompile(tessera_${name} tessera_headers)
  endif()
endfunction()
