/* Lets one step of an atomic write go wrong, in a program that knows nothing of
 * it: `cc -shared -fPIC -O1 -o faults.so faults.c -ldl`, then LD_PRELOAD.
 *
 * Watched are the steps on temporary files (names that end in .tmp), numbered
 * from 0: create, write, fsync, rename, and fsync of a folder; and every unlink.
 *
 *   FAULTS_LOG   a file that gets a line for each step
 *   FAULTS_AT    the step that goes wrong
 *   FAULTS_KIND  kill     the process is killed before the step
 *                half     it is killed after half of a write, or after the step
 *                short    a write puts down half of its bytes, and says so
 *                ENOSPC, EIO, EDQUOT, EINTR: the step fails so; a write then has put
 *                down half of its bytes (not for EINTR: nothing is done)
 *
 * Or no folder can be synced at all, as on some network disks:
 *
 *   FAULTS_FOLDERS  EINVAL or ENOTSUP
 *
 * And every look at a file may fail, or its opening:
 *
 *   FAULTS_UNSEEN  the end of the paths that cannot be looked at
 *   FAULTS_ERROR   EIO, ESTALE, EACCES or ELOOP
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { NONE, KILL, HALF, SHORT, FAIL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long steps;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Counts the step, and says what becomes of it; *error is for FAIL. */
static enum kind next(const char *what, int *error) {
  const char *log = getenv("FAULTS_LOG"), *at = getenv("FAULTS_AT"), *kind = getenv("FAULTS_KIND");
  pthread_mutex_lock(&lock);
  long step = steps++;
  if (log) {
    int fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    char line[32];
    int length = snprintf(line, sizeof line, "%s\n", what);
    if (fd < 0 || REAL(write)(fd, line, length) != length) abort();
    close(fd);
  }
  pthread_mutex_unlock(&lock);
  if (!at || !kind || step != atol(at)) return NONE;
  if (!strcmp(kind, "kill")) return KILL;
  if (!strcmp(kind, "half")) return HALF;
  if (!strcmp(kind, "short")) return SHORT;
  *error = !strcmp(kind, "ENOSPC") ? ENOSPC : !strcmp(kind, "EDQUOT") ? EDQUOT
         : !strcmp(kind, "EINTR") ? EINTR : EIO;
  return FAIL;
}

/* The error of a look at a path, where it is one that is to fail; else 0. */
static int unseen(const char *path) {
  const char *name = getenv("FAULTS_UNSEEN"), *kind = getenv("FAULTS_ERROR");
  if (!name || !kind || !path) return 0;
  size_t length = strlen(path), end = strlen(name);
  if (length < end || strcmp(path + length - end, name)) return 0;
  return !strcmp(kind, "ESTALE") ? ESTALE : !strcmp(kind, "EACCES") ? EACCES
       : !strcmp(kind, "ELOOP") ? ELOOP : EIO;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int temporary(const char *path) {
  size_t length = strlen(path);
  return length > 4 && !strcmp(path + length - 4, ".tmp");
}

static int temporary_fd(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return temporary(path);
}

/* A step that is done or not: CALL is the real one. */
#define STEP(what, CALL)                  \
  do {                                    \
    int error = 0;                        \
    enum kind kind = next(what, &error);  \
    if (kind == KILL) die();              \
    if (kind == FAIL) {                   \
      errno = error;                      \
      return -1;                          \
    }                                     \
    int result = (CALL);                  \
    if (kind == HALF) die();              \
    return result;                        \
  } while (0)

int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (flags & O_CREAT && temporary(path)) STEP("create", REAL(open64)(path, flags, mode));
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(open64)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (flags & O_CREAT && temporary(path)) STEP("create", REAL(open)(path, flags, mode));
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(open)(path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (flags & O_CREAT && temporary(path)) STEP("create", REAL(openat64)(folder, path, flags, mode));
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(openat64)(folder, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (flags & O_CREAT && temporary(path)) STEP("create", REAL(openat)(folder, path, flags, mode));
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(openat)(folder, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  if (!temporary_fd(fd)) return REAL(write)(fd, bytes, count);
  int error = 0;
  enum kind kind = next("write", &error);
  size_t half = (count + 1) / 2;
  if (kind == KILL) die();
  if (kind == FAIL && error == EINTR) {
    errno = EINTR;
    return -1;
  }
  ssize_t result = REAL(write)(fd, bytes, kind == NONE ? count : half);
  if (kind == HALF) die();
  if (kind == FAIL) {
    errno = error;
    return -1;
  }
  return result;
}

int fsync(int fd) {
  struct stat about;
  if (temporary_fd(fd)) STEP("fsync", REAL(fsync)(fd));
  if (!fstat(fd, &about) && S_ISDIR(about.st_mode)) {
    const char *kind = getenv("FAULTS_FOLDERS");
    if (kind) return errno = !strcmp(kind, "ENOTSUP") ? ENOTSUP : EINVAL, -1;
    STEP("fsync folder", REAL(fsync)(fd));
  }
  return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
  if (temporary(from)) STEP("rename", REAL(rename)(from, to));
  return REAL(rename)(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
  if (temporary(from)) STEP("rename", REAL(renameat)(a, from, b, to));
  return REAL(renameat)(a, from, b, to);
}

int unlinkat(int folder, const char *path, int flags) {
  STEP("unlink", REAL(unlinkat)(folder, path, flags));
}

/* Looks at a name, of which there are several. */
int statx(int folder, const char *restrict path, int flags, unsigned mask,
          struct statx *restrict found) {
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(statx)(folder, path, flags, mask, found);
}

int stat64(const char *restrict path, struct stat64 *restrict found) {
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(stat64)(path, found);
}

int lstat64(const char *restrict path, struct stat64 *restrict found) {
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(lstat64)(path, found);
}

int fstatat(int folder, const char *restrict path, struct stat *restrict found, int flags) {
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(fstatat)(folder, path, found, flags);
}

int fstatat64(int folder, const char *restrict path, struct stat64 *restrict found, int flags) {
  int error = unseen(path);
  if (error) return errno = error, -1;
  return REAL(fstatat64)(folder, path, found, flags);
}

int unlink(const char *path) { STEP("unlink", REAL(unlink)(path)); }
