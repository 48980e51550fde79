/* What every benchmark does: clocks, medians, the measured peak, the processor's name. */
#ifndef RV_BENCH_BENCH_H
#define RV_BENCH_BENCH_H

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peak.h"

enum { PEAK_ROUNDS = 150000 };

/* By the clock on the wall, and in processor time that was used. */
typedef struct moment {
    double wall, busy;
} moment;

static inline double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline moment now(void)
{
    return (moment){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

/* Numbers a second of `threads` threads, by both clocks. */
static inline moment rate_since(moment start, double amount, int threads)
{
    moment end = now();
    return (moment){amount / (end.wall - start.wall),
                    amount / (end.busy - start.busy) * threads};
}

static inline moment peak_rate(const peak_loop *peak, int threads)
{
    moment start = now();
#pragma omp parallel num_threads(threads)
    peak->run(PEAK_ROUNDS);
    return rate_since(start, peak->flops * PEAK_ROUNDS * threads, threads);
}

static inline void print_processor(void)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0) {
            printf("processor: %s", strchr(line, ':') + 2);
            break;
        }
    if (file) fclose(file);
}

/* Starts the program anew with an OpenMP whose waiting costs no processor time: that is read before
 * main. */
static inline void wait_passively(char **argv)
{
    if (getenv("OMP_WAIT_POLICY")) return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("OMP_PROC_BIND", "true", 0);
    execv("/proc/self/exe", argv);
}

#endif
