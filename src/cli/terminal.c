/* What a command says to the person who waits: progress, and the text it reads. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

static volatile sig_atomic_t interrupted;
static bool line_open;

static void on_signal(int number)
{
    interrupted = 1;
    signal(number, SIG_DFL);
}

/* flags: SA_RESTART, or 0 for a wait that a signal shall end. */
static void listen_to_signals(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    if (interrupted) return; // the second one kills
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void catch_signals(void)
{
    listen_to_signals(SA_RESTART);
    signal(SIGPIPE, SIG_IGN);
}

bool was_interrupted(void)
{
    return interrupted;
}

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
    if (last == 0 && !terminal) last = now; // quick work leaves no lines in a log
    bool complete = event->total > 0 && event->done >= event->total;
    if (complete ? !line_open : now - last < (terminal ? 0.1 : 5)) return !interrupted;
    last = now;
    line_open = true;
    fputs(terminal ? "\r\033[K" : "", stderr);
    if (event->total > 0)
        fprintf(stderr, "%s %3.0f %% (%.0f of %.0f %s)", event->what,
                100 * event->done / event->total, event->done, event->total, event->unit);
    else if (event->done > 0)
        fprintf(stderr, "%s %.0f %s", event->what, event->done, event->unit);
    else
        fprintf(stderr, "%s", event->what);
    if (event->note) fprintf(stderr, "  %s", event->note);
    if (!terminal) fputc('\n', stderr);
    fflush(stderr);
    return !interrupted;
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
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "type the text, then press Ctrl-D on a line of its own\n");
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
    if (!*out)
        fprintf(stderr, "reverie: cannot read %s: %s\n", name,
                interrupted ? "interrupted" : strerror(errno));
    if (stream) fclose(stream);
    return *out ? -1 : EXIT_FAILED;
}
