# Every target of the tree, tests included, is built with TESSERA_SANITIZE's sanitizers.
set(TESSERA_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize: address,undefined or thread")
if(TESSERA_SANITIZE)
  add_compile_options(-fsanitize=${TESSERA_SANITIZE} -fno-omit-frame-pointer)
  # With sanitizers, g++ 12 takes std::function in <regex> for uninitialised.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${TESSERA_SANITIZE})
endif()

# tessera_library(NAME LINKS a b ... SYSTEM x y ...)
#
# Makes the library tessera_NAME from every .cpp file of the calling folder (and of the
# sub-folders listed in FOLDERS). Includes are relative to the root of the tree, so
# `#include "ir/dim.h"` means the same in the tree and in an installed copy.
function(tessera_library name)
  cmake_parse_arguments(ARG "" "" "LINKS;SYSTEM;FOLDERS;EXCLUDE" ${ARGN})
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
endfunction()
