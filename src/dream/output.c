/* The file of a dream. Its records are on the disk as they come, and beside it, in PATH.journal, everything that was
 * judged: an interrupted run is run again from there without computing. A resumed run is written to PATH.resumed
 * and takes the file's place when it ends, so that there is never less on the disk than was found. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dream/session.h"
#include "base/file.h"
#include "record/run.h"
#include "subject/describe.h"

static const size_t FILE_LIMIT = (size_t)1 << 30;

static rv_status name_beside(char **out, const char *path, const char *ending, rv_error *err)
{
    size_t room = strlen(path) + strlen(ending) + 1;
    *out = malloc(room);
    if (!*out) return rv_fail_memory(err, room);
    snprintf(*out, room, "%s%s", path, ending);
    return RV_OK;
}

static bool holds_something(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && info.st_size > 0;
}

static rv_status check_run(const rv_dream_output *o, rv_error *err)
{
    rv_runs runs = {0};
    rv_status status = rv_runs_parse(&runs, o->before, o->before_length, o->path, err);
    if (status == RV_OK && runs.count != 1)
        status = rv_fail(err, RV_ERR_USAGE, "%s: expected one run to resume, found %zu",
                         o->path, runs.count);
    rv_runs_release(&runs);
    return status;
}

rv_status rv_output_open(rv_dreaming *d, rv_error *err)
{
    rv_dream_output *o = &d->output;
    o->path = d->params->output;
    if (!o->path) return RV_OK;
    RV_TRY(name_beside(&o->journal, o->path, ".journal", err));
    if (!d->params->resume || !holds_something(o->path))
        return rv_record_writer_open(&o->writer, o->path, false, err);
    RV_TRY(name_beside(&o->resumed, o->path, ".resumed", err));
    RV_TRY(rv_read_file(&o->before, &o->before_length, o->path, FILE_LIMIT, err));
    RV_TRY(check_run(o, err));                                     // before anything is touched
    return rv_record_writer_open(&o->earlier, o->path, true, err); // for its lock
}

static bool differ(const char *was, const char *is)
{
    return was && is && strcmp(was, is) != 0;
}

/* Numbers of other kernels are others in their last digits, and a search that goes on from them is neither run. */
static rv_status check_kernels(const rv_dreaming *d, const rv_run_record *was, rv_error *err)
{
    const rv_target *t = &d->target;
    if (differ(was->target.name, t->name) || was->target.sign != (double)t->sign ||
        differ(was->method, d->dreamer->name) || differ(was->model.hash, d->model->hash) ||
        was->seed != d->params->seed || was->budget != d->params->budget)
        return RV_OK; // another run, which is told as such
    rv_run_record is;
    rv_describe_program(&is, d->model, rv_dream_screens(d));
    if (differ(was->kernels, is.kernels))
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: this run began with the kernels \"%s\" (%s) and would go on with "
                       "\"%s\" (%s); give --kernels %s, or name another file",
                       d->output.path, was->kernels, was->precision ? was->precision : "?",
                       is.kernels, is.precision, was->kernels);
    if (differ(was->precision, is.precision))
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: this run began with the precision \"%s\" and would go on with "
                       "\"%s\"; give or leave out --exact as it did, on a processor like its "
                       "own, or name another file",
                       d->output.path, was->precision, is.precision);
    return RV_OK;
}

static rv_status look_at(rv_dreaming *d, const rv_run *run, rv_error *err)
{
    rv_dream_output *o = &d->output;
    const rv_run_record *about = &run->about;
    RV_TRY(check_kernels(d, about, err));
    if (!about->id || strcmp(about->id, o->identity) != 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: holds another run (%s by %s, seed %llu, %llu forward tokens, or "
                       "with other options); name another file",
                       o->path, about->target.name, run->label, (unsigned long long)about->seed,
                       (unsigned long long)about->budget);
    const rv_trajectory_record *last =
        run->trajectory_count ? &run->trajectory[run->trajectory_count - 1] : NULL;
    o->before_dreams = run->dream_count;
    o->before_tokens = run->end.status ? run->end.forward_tokens
                       : last          ? last->forward_tokens
                                       : 0;
    double seconds = run->end.status ? run->end.seconds : last ? last->seconds : 0;
    o->before_seconds = isfinite(seconds) ? seconds : 0;
    o->whole = run->end.status && strcmp(run->end.status, "complete") == 0;
    return RV_OK;
}

rv_status rv_output_recall(rv_dreaming *d, rv_error *err)
{
    rv_dream_output *o = &d->output;
    if (!o->before) return RV_OK;
    rv_runs runs = {0};
    rv_status status = rv_runs_parse(&runs, o->before, o->before_length, o->path, err);
    if (status == RV_OK) status = look_at(d, &runs.items[0], err);
    rv_runs_release(&runs);
    if (status == RV_OK && o->whole) rv_text_append(&d->lines, o->before, o->before_length);
    return status;
}

rv_status rv_output_begin(rv_dreaming *d, rv_error *err)
{
    rv_dream_output *o = &d->output;
    if (!o->path) return RV_OK;
    if (!o->earlier) {
        unlink(o->journal); // of a run whose records are gone
        return RV_OK;
    }
    unlink(
        o->resumed); // of a resumption that was killed; the lock says that it is not under way
    return rv_record_writer_open(&o->writer, o->resumed, false, err);
}

/* Whether a resumption was interrupted before it was as far as the run before it. */
static bool fell_behind(const rv_dream_output *o, uint64_t forward_tokens)
{
    return o->before_dreams && forward_tokens < o->before_tokens;
}

rv_status rv_output_end(rv_dreaming *d, uint64_t forward_tokens, bool complete, rv_error *err)
{
    rv_dream_output *o = &d->output;
    if (!o->writer) return RV_OK;
    RV_TRY(rv_record_writer_commit(o->writer, err));
    o->kept = true;
    if (o->earlier && fell_behind(o, forward_tokens)) {
        unlink(o->resumed);
        d->lines.length = 0;
        rv_text_append(&d->lines, o->before, o->before_length);
    } else if (o->earlier && rename(o->resumed, o->path) != 0) {
        return rv_fail(err, RV_ERR_IO, "%s: cannot rename to %s", o->resumed, o->path);
    }
    if (complete) unlink(o->journal);
    return RV_OK;
}

void rv_output_release(rv_dream_output *o)
{
    rv_error ignored;
    bool fresh = o->writer && !o->earlier;
    rv_record_writer_close(o->writer, &ignored);
    rv_record_writer_close(o->earlier, &ignored);
    if (fresh && (o->discard || !holds_something(o->path))) {
        unlink(o->path);
        unlink(o->journal);
    }
    if (o->resumed && !o->kept) unlink(o->resumed);
    free(o->journal);
    free(o->resumed);
    free(o->before);
    *o = (rv_dream_output){0};
}
