/* Packed networks of bnn-cpu, from C. Made by cbindgen of src/ffi/calls.rs; change it there.

   Several threads may call one network at the same time: the calls wait for each other. To run in
   parallel, give each thread a network of its own by bnn_cpu_clone(), which shares the weights.
   Texts of errors belong to the thread whose call failed. */

#ifndef BNN_CPU_H
#define BNN_CPU_H

#include <stddef.h>
#include <stdint.h>
/* A packed network that is ready to run. */
typedef struct bnn_cpu_net bnn_cpu_net;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Reads a packed file; `path` is UTF-8 and ends with a zero byte. Returns NULL if it is not one;
 bnn_cpu_error() says why. What is returned is given back by bnn_cpu_free().

 # Safety
 `path` is null or a text that ends with a zero byte.
 */
bnn_cpu_net *bnn_cpu_open(const char *path);

/*
 As bnn_cpu_open(), of the `length` bytes of a packed file, which are copied.

 # Safety
 `from` is null, or `length` bytes are readable there.
 */
bnn_cpu_net *bnn_cpu_load(const uint8_t *from, size_t length);

/*
 Returns another network with the same weights, for another thread; NULL if `from` is NULL.

 # Safety
 `from` is null, or came from this library and was not freed.
 */
bnn_cpu_net *bnn_cpu_clone(const bnn_cpu_net *from);

/*
 Frees a network; NULL is allowed. No other call may be using it.

 # Safety
 `of` is null, or came from this library and was not freed.
 */
void bnn_cpu_free(bnn_cpu_net *of);

/*
 Writes channels, height and width of an image to `shape`. An image has their product of bytes,
 row by row, the channels of a pixel beside each other. Returns 0, or -1 on an error.

 # Safety
 `of` is null or a network that was not freed; `shape` is null, or three numbers are writable.
 */
int bnn_cpu_shape(const bnn_cpu_net *of, size_t *shape);

/*
 Returns the number of classes, which is that of logits; 0 on an error.

 # Safety
 `of` is null, or a network that was not freed.
 */
size_t bnn_cpu_classes(const bnn_cpu_net *of);

/*
 Returns the class of an image, the first of equals, or -1 on an error.

 # Safety
 `of` is null or a network that was not freed; `image` is null, or `length` bytes are readable.
 */
int bnn_cpu_classify(const bnn_cpu_net *of, const uint8_t *image, size_t length);

/*
 Writes the logits of an image to `out`, which has room for `count` of them, as many as there are
 classes. Returns 0, or -1 on an error.

 # Safety
 `of` is null or a network that was not freed; `image` is null, or `length` bytes are readable;
 `out` is null, or `count` floats are writable and no others use them during the call.
 */
int bnn_cpu_logits(const bnn_cpu_net *of,
                   const uint8_t *image,
                   size_t length,
                   float *out,
                   size_t count);

/*
 Returns what was wrong in the last failed call of this thread, one line; it is valid until the
 next call of this thread.
 */
const char *bnn_cpu_error(void);

/*
 Returns the name of the instruction set that networks run on.
 */
const char *bnn_cpu_isa(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BNN_CPU_H */
