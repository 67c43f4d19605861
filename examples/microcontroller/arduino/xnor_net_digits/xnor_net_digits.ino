// Reads pictures of 28x28 bytes from the serial line and answers with the digit that the network
// sees. Put xnor_net.c and xnor_net.h of `bnn-cpu export RUN --to c99` beside this file. A board
// needs about 10 KB of flash and 2 KB of RAM, of which the picture takes 784 bytes.

#include "xnor_net.h"

static uint8_t picture[XNOR_NET_PIXELS];
static struct xnor_net_scratch scratch;

void setup() {
  Serial.begin(115200);
}

void loop() {
  if (Serial.readBytes((char *)picture, XNOR_NET_PIXELS) < XNOR_NET_PIXELS) {
    return; // no picture within the time limit of the line
  }
  const unsigned long begun = micros();
  const int digit = xnor_net_classify(picture, &scratch);
  const unsigned long took = micros() - begun;
  Serial.print("digit ");
  Serial.print(digit);
  Serial.print(", microseconds ");
  Serial.println(took);
}
