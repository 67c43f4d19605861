/* The machine that the example is compiled on, which has no clock of instructions. */

#include "board.h"

#include <stdio.h>

void board_begin(void) {
}

uint32_t board_steps(void) {
  return 0;
}

void board_print(const char *text) {
  fputs(text, stdout);
}

void board_end(void) {
}
