/* A 32-bit RISC-V under QEMU: the start, semihosting, and the processor's own count of
   instructions. */

#include "board.h"

extern uint32_t bss_begin, bss_end;

int main(void);

__attribute__((section(".start"), naked, used)) void begin(void) {
  __asm__ volatile(".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
                   "la sp, stack_top\nj start");
}

__attribute__((used)) void start(void) {
  uint32_t *to;
  for (to = &bss_begin; to < &bss_end; to++) {
    *to = 0;
  }
  main();
  for (;;) {
  }
}

/* These three instructions, none of them compressed and all on one page, are the call. */
__attribute__((naked, noinline, aligned(16))) static void semihosting(uint32_t operation, const void *argument) {
  (void)operation;
  (void)argument;
  __asm__ volatile(".option push\n.option norvc\n"
                   "slli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n"
                   ".option pop\nret");
}

void board_print(const char *text) {
  semihosting(4, text);
}

void board_end(void) {
  semihosting(0x18, (const void *)0x20026);
}

void board_begin(void) {
}

uint32_t board_steps(void) {
  uint32_t count;
  /* The option is not asked of the compiler, which would then find no library for it. */
  __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, minstret\n.option pop" : "=r"(count));
  return count;
}
