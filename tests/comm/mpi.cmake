# add_mpi_test(NAME RANKS 1 2 4) runs the program NAME under mpirun once per number of ranks, as
# the tests NAME_1, NAME_2, ... with the label `mpi`. The flags let more ranks run than there are
# cores, let idle ranks yield, and let root do it, as in containers.
function(add_mpi_test name)
  cmake_parse_arguments(ARG "" "" "RANKS" ${ARGN})
  foreach(ranks IN LISTS ARG_RANKS)
    add_test(NAME ${name}_${ranks}
      COMMAND ${MPIEXEC_EXECUTABLE} --allow-run-as-root --oversubscribe --bind-to none
        --mca mpi_yield_when_idle 1 ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}_${ranks} PROPERTIES
      LABELS mpi
      TIMEOUT 180
      RUN_SERIAL ON
      ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
  endforeach()
endfunction()

add_executable(test_comm_mpi
  ${CMAKE_CURRENT_LIST_DIR}/mpi_main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/conformance_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/failure_conformance_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/shared_block_test.cpp)
target_include_directories(test_comm_mpi PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(test_comm_mpi PRIVATE tessera_comm GTest::gmock GTest::gtest)
add_mpi_test(test_comm_mpi RANKS 1 2 3 4 5)
