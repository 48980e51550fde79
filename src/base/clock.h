/* Seconds that pass. */
#ifndef RV_BASE_CLOCK_H
#define RV_BASE_CLOCK_H

/* Since some moment; only differences mean something. Never goes back. */
double rv_seconds(void);

#endif
