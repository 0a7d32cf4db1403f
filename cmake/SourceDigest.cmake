# Writes a header that defines NAME as one digest of all files in SOURCES to OUTPUT.
set(digests "")
foreach(source IN LISTS SOURCES)
  file(SHA256 ${source} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 digest "${digests}")
file(WRITE ${OUTPUT} "#pragma once\n\n#define ${NAME} \"${digest}\"\n")
