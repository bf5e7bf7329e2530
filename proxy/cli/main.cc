// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/commands.h"

int main(int argc, char** argv) {
  return danegate::cli::main(argc, argv);
}
