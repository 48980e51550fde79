/* Whole runs in memory, read from their files: what report, merge and compare work on.
 *
 *     rv_runs runs = {0};
 *     RV_TRY(rv_runs_read(&runs, "l5n131.jsonl", err));
 *     for (size_t i = 0; i < runs.count; i++) ... runs.items[i].dreams ...
 *     rv_runs_release(&runs);
 *
 * A file holds one run or several, one after the other; so files may be concatenated. Types and
 * fields that this version does not know are passed over. What it knows must be right: else
 * RV_ERR_FORMAT names file, line, field, expected and found. A last line that a crash cut short
 * is dropped, and counted in `truncated`. */
#ifndef RV_RUN_H
#define RV_RUN_H

#include "base/arena.h"
#include "record/record.h"

typedef struct rv_run {
    rv_run_record about;
    rv_dream_record *dreams;
    rv_attribution_record *attributions;
    rv_trajectory_record *trajectory;
    rv_example_record *examples;
    rv_explanation_record *explanations;
    rv_note_record *notes;
    size_t dream_count, attribution_count, trajectory_count, example_count, explanation_count,
        note_count;
    size_t dream_room, attribution_room, trajectory_room, example_room, explanation_room,
        note_room;
    rv_quantiles_record quantiles; /* .positions 0: none was written */
    rv_end_record end;             /* .status NULL: the run did not end */
    const char *file;              /* that it was read from */
    const char *
        label; /* the method, "as published" and an inner autoencoder where its options say so: what tables
                        * and figures call it */
} rv_run;

/* Image dreams that were made together. */
typedef struct rv_gallery {
    rv_image_run_record about;
    rv_image_dream_record *dreams;
    size_t dream_count, dream_room;
    const char *file; /* that it was read from */
} rv_gallery;

typedef struct rv_runs {
    rv_gallery *galleries;
    size_t gallery_count, gallery_room;
    rv_run *items;
    size_t count, room;
    size_t truncated; /* files whose last line was cut short */
    size_t unknown;   /* records of types that this version does not know */
    rv_arena arena;   /* of everything the records point at */
} rv_runs;

/* Appends the runs of a file. After a failure what was read before it is still there. */
rv_status rv_runs_read(rv_runs *runs, const char *path, rv_error *err);

/* The same from memory; `name` stands for the file in errors. */
rv_status rv_runs_parse(rv_runs *runs, const char *bytes, size_t length, const char *name,
                        rv_error *err);

void rv_runs_release(rv_runs *runs);

enum { RV_GALLERY_SIDE_MAX = 256 };

/* The first dream of a target by a method that says it is the best of its starts; NULL: there is none. */
const rv_image_dream_record *rv_gallery_best(const rv_gallery *gallery, const char *target,
                                             const char *method);
/* The target of dream i where no dream before it has the same, else NULL: one step through all targets. */
const char *rv_gallery_new_target(const rv_gallery *gallery, size_t i);

/* The dream that says it is the headline; NULL if none does. */
const rv_dream_record *rv_run_headline(const rv_run *run);

#endif
