/* Classifies images by a packed network: one image on this thread, then all of them on two threads.

   cargo rustc --release --lib --no-default-features --features ffi --crate-type cdylib
   cc -std=c99 -Isrc/ffi examples/c/classify.c -Ltarget/release -lbnn_cpu -lpthread -o classify
   LD_LIBRARY_PATH=target/release ./classify net.packed images

   `images` holds the bytes of images of the network's size, one after the other. Prints the class and
   the logits of each. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bnn_cpu.h"

struct part {
  bnn_cpu_net *net;
  const uint8_t *images;
  size_t size, first, end;
  int *classes;
};

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, bnn_cpu_error());
  exit(1);
}

static void *classify(void *of) {
  struct part *part = of;
  size_t i;
  for (i = part->first; i < part->end; i++)
    part->classes[i] = bnn_cpu_classify(part->net, part->images + i * part->size, part->size);
  return NULL;
}

static uint8_t *content(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  uint8_t *bytes = NULL;
  size_t room = 0, n;
  *length = 0;
  if (file == NULL) return NULL;
  do {
    room = room == 0 ? 65536 : 2 * room;
    bytes = realloc(bytes, room);
    if (bytes == NULL) abort();
    n = fread(bytes + *length, 1, room - *length, file);
    *length += n;
  } while (*length == room);
  fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  size_t length, shape[3], size, count, classes, i, j;
  uint8_t *images;
  struct part parts[2];
  pthread_t threads[2];
  bnn_cpu_net *net;
  float *logits;
  int *found;

  if (argc != 3) {
    fprintf(stderr, "usage: classify NET IMAGES\n");
    return 2;
  }
  net = bnn_cpu_open(argv[1]);
  if (net == NULL) fail(argv[1]);
  if (bnn_cpu_shape(net, shape) != 0) fail("shape");
  images = content(argv[2], &length);
  if (images == NULL) {
    perror(argv[2]);
    return 1;
  }
  size = shape[0] * shape[1] * shape[2];
  count = length / size;
  classes = bnn_cpu_classes(net);
  logits = malloc(classes * sizeof *logits);
  found = malloc((count + 1) * sizeof *found);
  if (logits == NULL || found == NULL) abort();

  for (i = 0; i < 2; i++) {
    parts[i].net = i == 0 ? net : bnn_cpu_clone(net);
    if (parts[i].net == NULL) fail("clone");
    parts[i].images = images;
    parts[i].size = size;
    parts[i].first = i * count / 2;
    parts[i].end = (i + 1) * count / 2;
    parts[i].classes = found;
    if (pthread_create(&threads[i], NULL, classify, &parts[i]) != 0) abort();
  }
  for (i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  bnn_cpu_free(parts[1].net);

  for (i = 0; i < count; i++) {
    if (bnn_cpu_logits(net, images + i * size, size, logits, classes) != 0) fail("logits");
    printf("%d", found[i]);
    for (j = 0; j < classes; j++) printf(" %.9g", logits[j]);
    printf("\n");
  }
  bnn_cpu_free(net);
  free(images);
  free(logits);
  free(found);
  return 0;
}
