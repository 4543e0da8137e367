/* Preloaded into a process that writes a sled database: records every write, truncation and sync of its data file, and
 * what the process prints, in order. Syncs are recorded and not made: the process is not the one that loses power.
 *
 * Record: three little-endian u64 (kind, a, b), then b bytes of data for kinds 1 and 4.
 *   1 write of b bytes at offset a, when it is complete    2 sync, when it begins
 *   3 truncation to a bytes                                4 b bytes printed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int recording = -1;
static ssize_t (*real_write)(int, const void *, size_t);

static int is_data_file(int fd) {
    const char *data_file = getenv("RECORDER_DATA_FILE");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (data_file == NULL || length < 0) return 0;
    path[length] = 0;
    return strcmp(path, data_file) == 0;
}

static void put(const void *bytes, size_t left) {
    const char *from = bytes;
    while (left > 0) {
        ssize_t done = real_write(recording, from, left);
        if (done <= 0) abort();
        from += done;
        left -= (size_t)done;
    }
}

static void record(uint64_t kind, uint64_t a, uint64_t b, const void *data) {
    uint64_t header[3] = {kind, a, b};
    pthread_mutex_lock(&order);
    if (real_write == NULL) real_write = dlsym(RTLD_NEXT, "write");
    if (recording < 0) {
        const char *path = getenv("RECORDER_RECORDING");
        if (path == NULL) abort();
        recording = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (recording < 0) abort();
    }
    put(header, sizeof header);
    if (data != NULL) put(data, b);
    pthread_mutex_unlock(&order);
}

static ssize_t pwrite_with(const char *name, int fd, const void *data, size_t size, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, name);
    ssize_t done = real(fd, data, size, offset);
    if (done > 0 && is_data_file(fd)) record(1, (uint64_t)offset, (uint64_t)done, data);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return pwrite_with("pwrite64", fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return pwrite_with("pwrite", fd, data, size, offset);
}

static int sync_with(const char *name, int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    if (!is_data_file(fd)) return real(fd);
    record(2, 0, 0, NULL);
    return 0;
}

int fsync(int fd) { return sync_with("fsync", fd); }

int fdatasync(int fd) { return sync_with("fdatasync", fd); }

int ftruncate64(int fd, off64_t length) {
    int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
    if (is_data_file(fd)) record(3, (uint64_t)length, 0, NULL);
    return real(fd, length);
}

ssize_t write(int fd, const void *data, size_t size) {
    if (real_write == NULL) real_write = dlsym(RTLD_NEXT, "write");
    if (fd == 1) record(4, 0, size, data);
    return real_write(fd, data, size);
}
