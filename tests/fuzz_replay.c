/* Feeds every file of tests/fixtures/fuzz/X/ to the fuzz target X; linked with fuzz/fuzz_X.c into
 * replay_X. Arguments, if any, name files to feed instead: for looking into a crash. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/fuzz.h"
#include "base/file.h"

/* Memory of exactly the input's size, so that sanitizers see every byte read beyond it. */
static int feed(const char *path)
{
    char *text;
    size_t length;
    rv_error err;
    if (rv_read_file(&text, &length, path, 64 << 20, &err) != RV_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    uint8_t *exact = malloc(length ? length : 1);
    if (!exact) return 1;
    memcpy(exact, text, length);
    free(text);
    int status = LLVMFuzzerTestOneInput(exact, length);
    free(exact);
    return status;
}

static int feed_folder(const char *folder)
{
    DIR *open = opendir(folder);
    int fed = 0;
    if (!open) {
        fprintf(stderr, "%s: a fuzz target needs a corpus\n", folder);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(open));) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        fprintf(stderr, "%s\n", path); // the last line names the culprit when the target aborts
        if (feed(path)) exit(1);
        fed++;
    }
    closedir(open);
    printf("%d inputs survived\n", fed);
    return fed == 0;
}

int main(int argc, char **argv)
{
    static const char prefix[] = "replay_";
    char folder[512];
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= feed(argv[i]);
    if (argc > 1) return failed;
    const char *name = strrchr(argv[0], '/');
    name = name ? name + 1 : argv[0];
    if (strncmp(name, prefix, strlen(prefix)) == 0) name += strlen(prefix);
    snprintf(folder, sizeof folder, "tests/fixtures/fuzz/%s", name);
    return feed_folder(folder);
}
