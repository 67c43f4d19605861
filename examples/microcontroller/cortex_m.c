/* A Cortex-M under QEMU: the table of vectors, the start, semihosting, and SysTick as the clock. */

#include "board.h"

extern uint32_t stack_top, data_from, data_begin, data_end, bss_begin, bss_end;

int main(void);

static void start(void) {
  uint32_t *from = &data_from;
  uint32_t *to;
#ifdef __ARM_FP
  /* The floating-point unit is off at first. */
  *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
  __asm__ volatile("dsb\nisb");
#endif
  for (to = &data_begin; to < &data_end; to++) {
    *to = *from++;
  }
  for (to = &bss_begin; to < &bss_end; to++) {
    *to = 0;
  }
  main();
  for (;;) {
  }
}

/* Asks the debugger, or QEMU in its place. */
static void semihosting(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_print(const char *text) {
  semihosting(4, text);
}

void board_end(void) {
  semihosting(0x18, (const void *)0x20026);
}

static void fault(void) {
  board_print("fault\n");
  semihosting(0x18, (const void *)0x20024);
  for (;;) {
  }
}

#define SYSTICK ((volatile uint32_t *)0xe000e010)

static volatile uint32_t wraps;

/* SysTick counts 24 bits down and interrupts when it reaches 0. */
static void systick(void) {
  wraps++;
}

void board_begin(void) {
  SYSTICK[1] = 0xffffff;
  SYSTICK[2] = 0;
  SYSTICK[0] = 7;
}

uint32_t board_steps(void) {
  uint32_t before, now;
  do {
    before = wraps;
    now = -SYSTICK[2] & 0xffffff;
  } while (before != wraps);
  return before << 24 | now;
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
  &stack_top, (void *)start, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
  (void *)fault, 0, 0, 0, 0, (void *)fault, (void *)fault, 0, (void *)fault, (void *)systick
};
