/* What the example needs of a machine. Each board has a file of its own. */

#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Instructions from one step of the clock to the next, under QEMU's -icount shift=0, where each
   instruction takes a nanosecond: 40 at the 25 MHz of the Cortex-M4 board, 62.5 at the 16 MHz of
   the Cortex-M0 board (counted as 125 for two steps), 1 where the processor counts them itself. */
#ifndef BOARD_INSTRUCTIONS_A_STEP
#define BOARD_INSTRUCTIONS_A_STEP 1
#endif

/* Starts the clock. */
void board_begin(void);

/* Returns how many steps the clock has made, modulo 2^32; 0 without a clock. */
uint32_t board_steps(void);

/* Prints a text. */
void board_print(const char *text);

/* Ends the program. */
void board_end(void);

#endif
