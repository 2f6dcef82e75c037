/*
 * The bare loop that durable appends are measured against: so many threads, each with a file of its own, write a
 * record and sync it until time is up. Prints how many records a second that was, for all threads together.
 *
 *     append_loop DIRECTORY THREADS BYTES MILLISECONDS
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *directory;
static size_t length;
static double until;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void *append(void *number) {
  char path[4096];
  long count = 0;
  char *record = malloc(length);
  memset(record, 'a', length);
  snprintf(path, sizeof path, "%s/bare-%ld", directory, (long)number);
  int file = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
  if (file < 0 || record == NULL) exit(1);
  while (now() < until) {
    if (write(file, record, length) != (ssize_t)length || fdatasync(file) != 0) exit(1);
    count++;
  }
  close(file);
  return (void *)count;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  directory = argv[1];
  int threads = atoi(argv[2]);
  length = atol(argv[3]);
  double started = now();
  until = started + atof(argv[4]);
  pthread_t *ids = calloc(threads, sizeof *ids);
  for (long i = 0; i < threads; i++) {
    if (pthread_create(&ids[i], NULL, append, (void *)i) != 0) return 1;
  }
  long count = 0;
  for (int i = 0; i < threads; i++) {
    void *result;
    pthread_join(ids[i], &result);
    count += (long)result;
  }
  printf("%f\n", count * 1e3 / (now() - started));
  return 0;
}
