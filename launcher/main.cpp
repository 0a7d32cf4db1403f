#include "launcher/command_line.h"

int main(int argc, char** argv) {
  return tessera::run_command_line(argc, argv);
}
