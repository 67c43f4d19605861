/* Classifies the pictures of digits.h with an exported network, and prints for each what it is,
   what the network says, the bits of the logits, and how many instructions that took. */

#include "board.h"
#include "digits.h"
#include "xnor_net.h"

static struct xnor_net_scratch scratch;

static void print_number(uint32_t number) {
  char text[11];
  int at = 10;
  text[at] = 0;
  do {
    text[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  board_print(text + at);
}

static void print_bits(float number) {
  union {
    float number;
    uint32_t bits;
  } both;
  char text[10];
  int i;
  both.number = number;
  text[0] = ' ';
  for (i = 0; i < 8; i++) {
    text[1 + i] = "0123456789abcdef"[both.bits >> (28 - 4 * i) & 15];
  }
  text[9] = 0;
  board_print(text);
}

int main(void) {
  float logits[XNOR_NET_CLASSES];
  uint32_t steps = 0;
  int right = 0;
  int i, c;
  board_begin();
  for (i = 0; i < DIGITS; i++) {
    const uint32_t begun = board_steps();
    const int found = xnor_net_classify(digit_pixels[i], &scratch);
    steps += board_steps() - begun;
    right += found == digit_labels[i];
    xnor_net_logits(digit_pixels[i], &scratch, logits);
    board_print("picture ");
    print_number((uint32_t)i);
    board_print(" is ");
    print_number(digit_labels[i]);
    board_print(" class ");
    print_number((uint32_t)found);
    board_print(" logits");
    for (c = 0; c < XNOR_NET_CLASSES; c++) {
      print_bits(logits[c]);
    }
    board_print("\n");
  }
  board_print("right ");
  print_number((uint32_t)right);
  board_print(" of ");
  print_number(DIGITS);
  board_print("\nscratch ");
  print_number((uint32_t)sizeof scratch);
  board_print(" bytes\n");
  if (steps > 0) {
    board_print("instructions ");
    print_number(steps / DIGITS * BOARD_INSTRUCTIONS_A_STEP);
    board_print(" a picture\n");
  }
  board_end();
  return 0;
}
