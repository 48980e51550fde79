/* A run file on disk, written batch by batch.
 *
 *     rv_record_writer *writer;
 *     RV_TRY(rv_record_writer_open(&writer, "l5n131.jsonl", false, err));
 *     RV_TRY(rv_put_run(rv_record_writer_batch(writer), &about, err));
 *     RV_TRY(rv_record_writer_commit(writer, err));
 *     ...
 *     RV_TRY(rv_record_writer_close(writer, err));
 *
 * A committed batch is on the disk, whole (appended, then fsync). If that fails, a full disk for
 * one, the file is cut back to the batches before, and the failed batch is kept for another try. */
#ifndef RV_RECORD_WRITER_H
#define RV_RECORD_WRITER_H

#include "record/record.h"

typedef struct rv_record_writer rv_record_writer;

/* resume false: the file is made anew (RV_ERR_USAGE if it exists and is not empty, so that no
 * run is ever overwritten); true: it is appended to, after dropping a line that a crash cut short.
 * While open, the file is locked against a second writer. */
rv_status rv_record_writer_open(rv_record_writer **out, const char *path, bool resume,
                                rv_error *err);

/* Where the next records go (rv_put_*). */
rv_text *rv_record_writer_batch(rv_record_writer *writer);

rv_status rv_record_writer_commit(rv_record_writer *writer, rv_error *err);

/* Commits what is in the batch, and frees the writer even when that fails. NULL is fine. */
rv_status rv_record_writer_close(rv_record_writer *writer, rv_error *err);

#endif
