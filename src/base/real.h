/* The number that the library computes in. The shipped library uses float; the same sources
 * are compiled a second time with -DRV_REAL_DOUBLE for the tests, so that derivatives can be
 * checked against finite differences without drowning in rounding. */
#ifndef RV_BASE_REAL_H
#define RV_BASE_REAL_H

#include <math.h>
#include <tgmath.h>

#ifdef RV_REAL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
