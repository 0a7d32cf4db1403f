# Installs the build into a folder of its own, builds the examples against it with find_package,
# and runs one.
file(REMOVE_RECURSE ${WORK})
set(flags "")
if(FLAGS)
  set(flags -DCMAKE_CXX_FLAGS=-fsanitize=${FLAGS})
endif()
foreach(step
    "${CMAKE_COMMAND};--install;${BUILD};--prefix;${WORK}/prefix"
    "${CMAKE_COMMAND};-S;${SOURCE};-B;${WORK}/build;-G;${GENERATOR};-DCMAKE_PREFIX_PATH=${WORK}/prefix;-DCMAKE_CXX_COMPILER=${CXX};${flags}"
    "${CMAKE_COMMAND};--build;${WORK}/build"
    "${WORK}/build/mlp")
  execute_process(COMMAND ${step} RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${step} failed with ${code}")
  endif()
endforeach()
