// The recurrences of whole clips, and their gradients, each in one pass: y = r * h with h += z * (c - h).
// As tensor operations every frame would be several launches, which take far longer than what they compute.
// Compiled when first used, without any header, and with BFLOAT16 defined where activations are of that type.

#define SMALLEST_UPDATE (1.0f / 500.0f)
// Rows, and frames, that a warp has at hand.
#define TILE 32

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }
__device__ __forceinline__ float load(const float *at) { return *at; }
__device__ __forceinline__ void store(float *at, float x) { *at = x; }
#ifdef BFLOAT16
typedef unsigned short Value;
__device__ __forceinline__ float load(const Value *at) { return __uint_as_float((unsigned)*at << 16); }
// To the nearest, of two equally near ones to the even one.
__device__ __forceinline__ void store(Value *at, float x) {
    unsigned bits = __float_as_uint(x);
    *at = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
#else
typedef float Value;
#endif

// Two half-precision numbers.
__device__ __forceinline__ unsigned pack(float low, float high) {
    unsigned pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
__device__ __forceinline__ float2 unpack(unsigned pair) {
    float2 both;
    asm("{ .reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high; }"
        : "=f"(both.x), "=f"(both.y) : "r"(pair));
    return both;
}

// How the update gate z changes with its logit.
__device__ __forceinline__ float change(float z) { return z >= SMALLEST_UPDATE ? z * (1.0f - z) : 0.0f; }

// Frames of consecutive rows come to and go from a tile so that neighbouring lanes touch neighbouring frames, while
// the recurrence needs a lane for each row.
template <typename T>
__device__ __forceinline__ void fetch(float tile[TILE][TILE + 1], const T *rows, int count, int first, int frames) {
    int frame = first + threadIdx.x;
#pragma unroll
    for (int row = 0; row < TILE; ++row)
        tile[row][threadIdx.x] = row < count && frame < frames ? load(rows + (size_t)row * frames + frame) : 0.0f;
}

template <typename T>
__device__ __forceinline__ void put(const float tile[TILE][TILE + 1], T *rows, int count, int first, int frames) {
    int frame = first + threadIdx.x;
#pragma unroll
    for (int row = 0; row < TILE; ++row)
        if (row < count && frame < frames) store(rows + (size_t)row * frames + frame, tile[row][threadIdx.x]);
}

// products: [clips, 3 parts, rows, frames] (candidates, logits of z and r); bias: [3 * channels]; outputs and states:
// [clips, rows, frames]. A block is one warp with TILE rows of one clip.
extern "C" __global__ void gated_mean_run(const Value *products, const float *bias, Value *outputs, float *states,
                                          int rows, int channels, int frames) {
    __shared__ float c[TILE][TILE + 1], z[TILE][TILE + 1], r[TILE][TILE + 1];
    int first_row = blockIdx.x * TILE, count = min(TILE, rows - first_row);
    size_t part = (size_t)rows * frames, clip = blockIdx.y;
    const Value *in = products + clip * 3 * part + (size_t)first_row * frames;
    size_t out = clip * part + (size_t)first_row * frames;
    int lane = threadIdx.x, channel = min(first_row + lane, rows - 1) / (rows / channels);
    float bias_c = bias[channel], bias_z = bias[channels + channel], bias_r = bias[2 * channels + channel];
    float h = 0.0f;
    for (int first = 0; first < frames; first += TILE) {
        fetch(c, in, count, first, frames);
        fetch(z, in + part, count, first, frames);
        fetch(r, in + 2 * part, count, first, frames);
        __syncwarp();
        for (int n = 0; n < TILE; ++n) {
            float update = fmaxf(sigmoid(z[lane][n] + bias_z), SMALLEST_UPDATE);
            h += update * (c[lane][n] + bias_c - h);
            c[lane][n] = h;
            r[lane][n] = h * sigmoid(r[lane][n] + bias_r);
        }
        __syncwarp();
        put(r, outputs + out, count, first, frames);
        put(c, states + out, count, first, frames);
        __syncwarp();
    }
}

// From the gradients of the outputs to those of the products.
extern "C" __global__ void gated_mean_differentiate(const Value *products, const float *bias, const float *states,
                                                    const Value *outputs, Value *gradients, int rows, int channels,
                                                    int frames) {
    __shared__ float c[TILE][TILE + 1], z[TILE][TILE + 1], r[TILE][TILE + 1], h[TILE][TILE + 1], o[TILE][TILE + 1];
    int first_row = blockIdx.x * TILE, count = min(TILE, rows - first_row);
    size_t part = (size_t)rows * frames, clip = blockIdx.y;
    size_t wide = clip * 3 * part + (size_t)first_row * frames, at = clip * part + (size_t)first_row * frames;
    int lane = threadIdx.x, channel = min(first_row + lane, rows - 1) / (rows / channels);
    float bias_c = bias[channel], bias_z = bias[channels + channel], bias_r = bias[2 * channels + channel];
    float slope = 0.0f;
    for (int first = (frames - 1) / TILE * TILE; first >= 0; first -= TILE) {
        fetch(c, products + wide, count, first, frames);
        fetch(z, products + wide + part, count, first, frames);
        fetch(r, products + wide + 2 * part, count, first, frames);
        fetch(h, states + at, count, first, frames);
        fetch(o, outputs + at, count, first, frames);
        // Before the first frame nothing is remembered.
        float earlier = first > 0 && lane < count ? load(states + at + (size_t)lane * frames + first - 1) : 0.0f;
        __syncwarp();
        for (int n = TILE - 1; n >= 0; --n) {
            if (first + n >= frames) continue;
            float before = n > 0 ? h[lane][n - 1] : earlier;
            float opening = sigmoid(r[lane][n] + bias_r), free = sigmoid(z[lane][n] + bias_z);
            float update = fmaxf(free, SMALLEST_UPDATE), out = o[lane][n];
            slope += out * opening;
            r[lane][n] = out * h[lane][n] * opening * (1.0f - opening);
            z[lane][n] = slope * (c[lane][n] + bias_c - before) * change(free);
            c[lane][n] = slope * update;
            slope *= 1.0f - update;
        }
        __syncwarp();
        put(c, gradients + wide, count, first, frames);
        put(z, gradients + wide + part, count, first, frames);
        put(r, gradients + wide + 2 * part, count, first, frames);
        __syncwarp();
    }
}

// Gates that see what is remembered: a block follows one row, which is a clip or one band of it, with a thread for each
// gate and the matrix in its shared memory, as half-precision pairs [channels / 2, 2 * channels]. products: [frames,
// rows, 3 * channels]; state: [2 * channels, channels]; updates (z as it was before SMALLEST_UPDATE), open (r), states
// (h) and outputs: [frames, rows, channels].
extern "C" __global__ void state_gates_run(const Value *products, const float *state, float *updates, float *open,
                                           float *states, Value *outputs, int channels, int frames) {
    extern __shared__ unsigned matrix[];
    float *h = reinterpret_cast<float *>(matrix + (size_t)channels * channels), *gates = h + channels;
    int gate = threadIdx.x, clip = blockIdx.x, clips = gridDim.x;
    for (int pair = 0; pair < channels / 2; ++pair) {
        const float *row = state + (size_t)gate * channels + 2 * pair;
        matrix[pair * 2 * channels + gate] = pack(row[0], row[1]);
    }
    if (gate < channels) h[gate] = 0.0f;
    __syncthreads();
    for (int frame = 0; frame < frames; ++frame) {
        size_t row = (size_t)frame * clips + clip;
        const Value *in = products + row * 3 * channels;
        float candidate = gate < channels ? load(in + gate) : 0.0f;
        float sums[2] = {load(in + channels + gate), 0.0f};
#pragma unroll 8
        for (int pair = 0; pair < channels / 2; ++pair) {
            float2 weight = unpack(matrix[pair * 2 * channels + gate]);
            float2 seen = *reinterpret_cast<float2 *>(h + 2 * pair);
            sums[0] = fmaf(weight.x, seen.x, sums[0]);
            sums[1] = fmaf(weight.y, seen.y, sums[1]);
        }
        gates[gate] = sigmoid(sums[0] + sums[1]);
        __syncthreads();
        if (gate < channels) {
            size_t at = row * channels + gate;
            float update = gates[gate], opening = gates[channels + gate];
            float next = h[gate] + fmaxf(update, SMALLEST_UPDATE) * (candidate - h[gate]);
            h[gate] = next;
            updates[at] = update;
            open[at] = opening;
            states[at] = next;
            store(outputs + at, opening * next);
        }
        __syncthreads();
    }
}

// From the gradients of the outputs to those of the products, the same as those of what h adds to them. The matrix is
// held as pairs of gates: [channels, channels].
extern "C" __global__ void state_gates_differentiate(const Value *products, const float *state, const float *updates,
                                                     const float *open, const float *states, const Value *outputs,
                                                     Value *gradients, int channels, int frames) {
    extern __shared__ unsigned matrix[];
    float *gates = reinterpret_cast<float *>(matrix + (size_t)channels * channels), *through = gates + 2 * channels;
    int clip = blockIdx.x, clips = gridDim.x;
    int half_of = threadIdx.x / channels, channel = threadIdx.x % channels;
    for (int pair = half_of; pair < channels; pair += 2) {
        const float *at = state + (size_t)2 * pair * channels + channel;
        matrix[pair * channels + channel] = pack(at[0], at[channels]);
    }
    through[threadIdx.x] = 0.0f;
    __syncthreads();
    float slope = 0.0f;
    for (int frame = frames - 1; frame >= 0; --frame) {
        size_t row = (size_t)frame * clips + clip, at = row * channels + channel;
        Value *out = gradients + row * 3 * channels;
        float output = load(outputs + at), opening = open[at];
        if (half_of == 0) {
            float candidate = load(products + row * 3 * channels + channel), free = updates[at];
            float before = frame > 0 ? states[at - (size_t)clips * channels] : 0.0f;
            float update = fmaxf(free, SMALLEST_UPDATE);
            slope += through[channel] + through[channels + channel] + output * opening;
            float by_update = slope * (candidate - before) * change(free);
            store(out + channel, slope * update);
            store(out + channels + channel, by_update);
            gates[channel] = by_update;
            slope *= 1.0f - update;
        } else {
            float by_open = output * states[at] * opening * (1.0f - opening);
            store(out + 2 * channels + channel, by_open);
            gates[channels + channel] = by_open;
        }
        __syncthreads();
        float sums[2] = {0.0f, 0.0f};
#pragma unroll 8
        for (int pair = half_of * channels / 2; pair < (half_of + 1) * channels / 2; ++pair) {
            float2 weight = unpack(matrix[pair * channels + channel]);
            float2 gradient = *reinterpret_cast<float2 *>(gates + 2 * pair);
            sums[0] = fmaf(weight.x, gradient.x, sums[0]);
            sums[1] = fmaf(weight.y, gradient.y, sums[1]);
        }
        through[threadIdx.x] = sums[0] + sums[1];
        __syncthreads();
    }
}
