# Every third-party package, found once. Who may include which is checked by tests/house.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
# Debian keeps each LLVM in its own folder; take the newest that builds (19 or later).
foreach(version 22 21 20 19)
  find_package(LLVM CONFIG QUIET PATHS /usr/lib/llvm-${version} NO_DEFAULT_PATH)
  if(LLVM_FOUND)
    break()
  endif()
endforeach()
if(NOT LLVM_FOUND)
  find_package(LLVM REQUIRED CONFIG)
endif()
if(LLVM_VERSION_MAJOR LESS 19)
  message(FATAL_ERROR "LLVM 19 or later is needed, found ${LLVM_VERSION}: apt-get install llvm-22-dev")
endif()
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(TBB REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# LLVM comes as one shared library; LLVM's own headers are not ours to warn about.
add_library(tessera_llvm INTERFACE)
target_include_directories(tessera_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_link_libraries(tessera_llvm INTERFACE LLVM)
target_link_directories(tessera_llvm INTERFACE ${LLVM_LIBRARY_DIRS})

# Planning and compiling make millions of small nodes, which mimalloc does in half the time of the C
# library's allocator. Programs choose their allocator, libraries do not; sanitizers bring their own.
add_library(tessera_allocator INTERFACE)
find_package(mimalloc 2.0 QUIET)
if(mimalloc_FOUND AND NOT TESSERA_SANITIZE)
  target_link_options(tessera_allocator INTERFACE -Wl,--push-state,--no-as-needed
    $<TARGET_FILE:mimalloc> -Wl,--pop-state)
endif()
