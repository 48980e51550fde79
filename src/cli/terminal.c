/* What a command says to the person who waits: progress, and the text it reads. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

static volatile sig_atomic_t interrupted;
static bool line_open;
static int loudness;

static void on_signal(int number)
{
    interrupted = 1;
    signal(number, SIG_DFL);
}

/* flags: SA_RESTART, or 0 for a wait that a signal shall end. */
static void listen_to_signals(int flags)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags}, before;
    if (interrupted) return; // the second one kills
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL); // what nohup ignores stays so
}

void catch_signals(void)
{
    listen_to_signals(SA_RESTART);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow is a failed write, as on a full disk
}

bool was_interrupted(void)
{
    return interrupted;
}

void set_loudness(int wanted)
{
    loudness = wanted;
}

bool is_verbose(void)
{
    return loudness > 0;
}

/* ---- words ----------------------------------------------------------------------------------- */

void die_of_memory(void)
{
    static const char message[] = "reverie: out of memory\n";
    end_progress();
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(EXIT_FAILED);
    _exit(EXIT_FAILED);
}

static void put_tamed(FILE *stream, const char *before, const char *format, va_list args)
{
    char *text;
    int length = vasprintf(&text, format, args);
    if (length < 0) die_of_memory();
    fputs(before, stream);
    fwrite(text, 1, rv_tame(text, (size_t)length, true), stream);
    free(text);
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_tamed(stdout, "", format, args);
    va_end(args);
}

void remark(const char *format, ...)
{
    va_list args;
    if (loudness < 0) return;
    end_progress();
    va_start(args, format);
    put_tamed(stderr, "", format, args);
    va_end(args);
}

static void put_failure(const char *format, va_list args)
{
    end_progress();
    put_tamed(stderr, "reverie: ", format, args);
    fputc('\n', stderr);
}

int fail_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_failure(format, args);
    va_end(args);
    return EXIT_USAGE;
}

int fail_work(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_failure(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int fail(const rv_error *err)
{
    end_progress();
    fprintf(stderr, "reverie: %s\n", err->message); // tamed already
    return err->status == RV_ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

/* ---- progress -------------------------------------------------------------------------------- */

void end_progress(void)
{
    if (line_open) fputs(isatty(STDERR_FILENO) ? "\r\033[K" : "", stderr);
    line_open = false;
}

bool show_progress(void *context, const rv_progress *event)
{
    (void)context;
    static double last;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    bool terminal = isatty(STDERR_FILENO);
    if (loudness < 0 || (!terminal && !is_verbose())) return !interrupted;
    if (last == 0 && !terminal) last = now; // quick work leaves no lines in a log
    bool complete = event->total > 0 && event->done >= event->total;
    if (complete ? !line_open : now - last < (terminal ? 0.1 : 5)) return !interrupted;
    last = now;
    char line[512], counted[200] = "";
    if (event->total > 0)
        snprintf(counted, sizeof counted, " %3.0f %% (%.0f of %.0f %s)",
                 100 * event->done / event->total, event->done, event->total, event->unit);
    else if (event->done > 0)
        snprintf(counted, sizeof counted, " %.0f %s", event->done, event->unit);
    snprintf(line, sizeof line, "%s%s%s%s", event->what, counted, event->note ? "  " : "",
             event->note ? event->note : "");
    line_open = true;
    fputs(terminal ? "\r\033[K" : "", stderr);
    fwrite(line, 1, rv_tame(line, strlen(line), false), stderr);
    if (!terminal) fputc('\n', stderr);
    fflush(stderr);
    return !interrupted;
}

void show_notice(void *context, const char *sentence)
{
    (void)context;
    end_progress();
    remark("reverie: %s\n", sentence);
}

rv_terminal terminal_of_stdout(void)
{
    rv_terminal terminal = {RV_COLOUR_NONE, 0};
    if (!isatty(STDOUT_FILENO)) return terminal;
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) terminal.columns = size.ws_col;
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM"), *depth = getenv("COLORTERM");
    if ((none && *none) || !term || strcmp(term, "dumb") == 0) return terminal;
    bool deep = depth && (strcmp(depth, "truecolor") == 0 || strcmp(depth, "24bit") == 0);
    terminal.colour = deep ? RV_COLOUR_TRUE : RV_COLOUR_256;
    return terminal;
}

static char *read_stream(FILE *stream, size_t *length)
{
    char *bytes = NULL;
    size_t capacity = 0;
    *length = 0;
    for (;;) {
        if (*length + 1 >= capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *grown = realloc(bytes, capacity);
            if (!grown) break;
            bytes = grown;
        }
        size_t n = fread(bytes + *length, 1, capacity - *length - 1, stream);
        if (ferror(stream)) break;
        *length += n;
        if (n > 0) continue;
        bytes[*length] = '\0';
        return bytes;
    }
    free(bytes);
    return NULL;
}

/* Ctrl-C ends the wait, too. */
static char *read_stdin(size_t *length)
{
    if (isatty(STDIN_FILENO)) remark("type the text, then press Ctrl-D on a line of its own\n");
    listen_to_signals(0);
    char *bytes = read_stream(stdin, length);
    int reason = errno;
    listen_to_signals(SA_RESTART);
    errno = reason;
    return bytes;
}

int read_text(char **out, size_t *length, const char *text, const char *file)
{
    *out = NULL;
    if (text && file) return fail_usage("give --text or --file, not both");
    bool from_stdin = !text && (!file || strcmp(file, "-") == 0);
    const char *name = from_stdin ? "standard input" : file;
    FILE *stream = NULL;
    if (text) {
        *out = strdup(text);
        *length = strlen(text);
        name = "--text";
    } else if (from_stdin) {
        *out = read_stdin(length);
    } else if ((stream = fopen(file, "rb"))) {
        *out = read_stream(stream, length);
    }
    int reason = errno;
    if (stream) fclose(stream);
    if (*out) return -1;
    if (!interrupted && reason == ENOMEM) die_of_memory();
    return fail_work("cannot read %s: %s", name,
                     interrupted ? "interrupted" : strerror(reason));
}
