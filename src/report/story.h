/* What a report tells of one target of one model: which dream is the headline, which stand
 * beside it, and what they are held against. Terminal and page both tell this. */
#ifndef RV_REPORT_STORY_H
#define RV_REPORT_STORY_H

#include "record/frontier.h"
#include "record/run.h"

enum { RV_STORY_OTHERS = 4, RV_STORY_EXAMPLES = 6 };

typedef struct rv_story {
    const rv_run **runs; /* (run_count) of this target, in the order in which they were read */
    size_t run_count;
    const rv_run *run;               /* that the headline comes from; never NULL */
    const rv_dream_record *headline; /* NULL if no run holds a dream */
    const rv_dream_record *others[RV_STORY_OTHERS];
    size_t other_count;
    const rv_dream_record *naive;                         /* the exhibit; NULL: none */
    const rv_example_record *examples[RV_STORY_EXAMPLES]; /* strongest first, none twice */
    size_t example_count;
    const rv_example_record **windows; /* (window_count) corpus windows as prompts */
    rv_point *window_points;
    size_t window_count;
    const rv_attribution_record *attribution; /* of the headline */
    const rv_explanation_record *explanation; /* the chosen one */
    const rv_quantiles_record *quantiles;
    double median; /* cross-entropy of the median corpus window; NAN: not known */
    double scale;  /* sign * f that is full heat; 0: no values are known */
} rv_story;

/* methods: the labels of all runs that hold anything, "reverie" first, the naive one last, others
 * in the order in which they come; the index of a method is its colour in every figure. */
typedef struct rv_stories {
    rv_story *items;
    size_t count;
    const char **methods;
    size_t method_count;
    rv_arena arena;
} rv_stories;

/* One story for each model and target, in the order in which they come first. The records stay
 * where they are: runs must outlive the stories. */
rv_status rv_stories_tell(rv_stories *out, const rv_runs *runs, rv_error *err);
void rv_stories_release(rv_stories *stories);

/* (activation, cross-entropy) of every dream of a run, in the arena; NULL: memory is short. */
rv_point *rv_run_points(rv_arena *arena, const rv_run *run);

/* The index of a method; method_count if it is none of them. */
size_t rv_method_index(const rv_stories *stories, const char *method);

/* Whether a run holds dreams or a trajectory; a run over a corpus does not. */
bool rv_is_search(const rv_run *run);

/* Whether two runs are about the same target of the same model. */
bool rv_same_subject(const rv_run_record *a, const rv_run_record *b);

/* A model's name; of one that was named by a path, the last part of that. */
const char *rv_model_title(const rv_model_entry *model);

/* The method that shows what naive gradient ascent gives. */
bool rv_is_naive(const char *method);

#endif
