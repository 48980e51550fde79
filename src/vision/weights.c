#include "vision/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { NAME_ROOM = 64 };

/* The tensors of a network: two of each layer that has parameters. */
static size_t list_tensors(rv_tensor_source *tensors, char (*names)[NAME_ROOM],
                           const rv_network *net, const real *parameters, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < net->count; i++) {
        const rv_layer *l = &net->layer[i];
        if (!l->weights) continue;
        rv_tensor_source *weight = &tensors[count], *bias = &tensors[count + 1];
        snprintf(names[count], NAME_ROOM, "%.32s.%s.weight", name, l->name);
        snprintf(names[count + 1], NAME_ROOM, "%.32s.%s.bias", name, l->name);
        *weight = (rv_tensor_source){names[count], parameters + l->weight, 1, {l->weights}};
        *bias = (rv_tensor_source){names[count + 1], parameters + l->bias, 1, {l->biases}};
        if (l->kind == RV_LAYER_CONV) {
            weight->rank = 4;
            memcpy(weight->shape, (size_t[]){l->biases, 3, 3, l->in.channels},
                   4 * sizeof(size_t));
        } else if (l->kind == RV_LAYER_DENSE) {
            weight->rank = 2;
            memcpy(weight->shape, (size_t[]){l->biases, l->matrix.K}, 2 * sizeof(size_t));
        }
        count += 2;
    }
    return count;
}

rv_status rv_networks_write(const char *path, const rv_named_network *networks, size_t count,
                            rv_dtype dtype, const json_t *metadata, rv_error *err)
{
    const size_t room = count * 2 * RV_MAX_LAYERS;
    rv_tensor_source *tensors = NULL;
    char(*names)[NAME_ROOM] = NULL;
    json_t *all = metadata ? json_copy((json_t *)metadata) : json_object();
    size_t used = 0;
    rv_status status;
    RV_GOTO(RV_NEW(tensors, room, err));
    RV_GOTO(RV_NEW(names, room, err));
    for (size_t i = 0; i < count; i++) {
        const rv_named_network *n = &networks[i];
        used += list_tensors(tensors + used, names + used, n->net,
                             n->parameters ? n->parameters : n->net->parameters, n->name);
        char key[NAME_ROOM];
        snprintf(key, sizeof key, "%.32s.network", n->name);
        if (json_object_set_new(all, key, json_string(n->net->description)) != 0)
            RV_GOTO(rv_fail_memory(err, sizeof key));
    }
    status = rv_safetensors_write(path, tensors, used, dtype, all, err);
done:
    json_decref(all);
    free(tensors);
    free(names);
    return status;
}

rv_status rv_network_read_parameters(real *parameters, const rv_network *net,
                                     const rv_checkpoint *ck, const char *name, rv_error *err)
{
    rv_tensor_source tensors[2 * RV_MAX_LAYERS];
    char names[2 * RV_MAX_LAYERS][NAME_ROOM];
    size_t count = list_tensors(tensors, names, net, parameters, name);
    for (size_t i = 0; i < count; i++) {
        const rv_tensor_source *want = &tensors[i];
        const rv_tensor *t = rv_checkpoint_find(ck, want->name);
        if (!t)
            return rv_fail(err, RV_ERR_FORMAT, "%s: expected a tensor '%s', found none",
                           rv_checkpoint_path(ck), want->name);
        bool same = t->rank == want->rank;
        for (size_t j = 0; same && j < t->rank; j++) same = t->shape[j] == want->shape[j];
        if (!same)
            return rv_fail(err, RV_ERR_FORMAT,
                           "%s: tensor '%s': its shape is not what the network's description "
                           "says",
                           rv_checkpoint_path(ck), want->name);
        real *to = parameters + (want->numbers - parameters);
        RV_TRY(rv_tensor_read(t, to, err));
        for (size_t j = 0; j < t->elements; j++)
            if (!isfinite(to[j]))
                return rv_fail(err, RV_ERR_NUMERIC, "%s: tensor '%s': number %zu is not finite",
                               rv_checkpoint_path(ck), want->name, j);
    }
    return RV_OK;
}

rv_status rv_network_read(rv_network *out, const rv_checkpoint *ck, const char *name,
                          rv_error *err)
{
    char key[NAME_ROOM];
    const char *description;
    *out = (rv_network){0};
    snprintf(key, sizeof key, "%.32s.network", name);
    RV_TRY(rv_checkpoint_metadata_string(&description, ck, key, err));
    rv_status status = rv_network_init(out, description, err);
    if (status != RV_OK) return rv_context(err, status, "%s", rv_checkpoint_path(ck));
    status = rv_network_read_parameters(out->parameters, out, ck, name, err);
    if (status == RV_OK)
        rv_network_refresh(out);
    else
        rv_network_release(out);
    return status;
}
