// The floor: one thread, epoll, frames cut and joined by hand, audio never decoded. It knows just enough of both
// protocols to relay a call (no limits, no pings, no fragmentation, no TLS): a yardstick, not something to use.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SCRATCH = 1 << 20, HEADER_ROOM = 16, EVENTS = 512 };

struct call;
struct leg {
    struct call *call;
    int fd;
    bool client, sent_hello, open, wants_write;
    char *in, *out;  // what is left of an unfinished frame; what the socket did not take
    size_t in_len, out_len;
};
struct call {
    struct leg phone, model;
    char stream_sid[64];
    unsigned marks;
    bool playing, dead;
    struct call *next_dead;
};

static int poller, listener;
static struct sockaddr_in model_address;
static const char *api_key;
static struct call *dead_calls;
static char scratch[SCRATCH], frame[SCRATCH + HEADER_ROOM], text[SCRATCH];
static uint32_t mask_seed = 0x9e3779b9;

static void watch(struct leg *leg, int how) {
    struct epoll_event event = {.events = EPOLLIN | (leg->wants_write ? EPOLLOUT : 0), .data.ptr = leg};
    epoll_ctl(poller, how, leg->fd, &event);
}

static void end(struct call *call) {
    if (call->dead) return;
    call->dead = true;
    call->next_dead = dead_calls;
    dead_calls = call;
    if (call->phone.fd >= 0) close(call->phone.fd);
    if (call->model.fd >= 0) close(call->model.fd);
}

static void want_write(struct leg *leg, bool wanted) {
    if (leg->wants_write == wanted) return;
    leg->wants_write = wanted;
    watch(leg, EPOLL_CTL_MOD);
}

static void keep(struct leg *leg, const char *data, size_t size) {
    leg->out = realloc(leg->out, leg->out_len + size);
    memcpy(leg->out + leg->out_len, data, size);
    leg->out_len += size;
}

static void put(struct leg *leg, const char *data, size_t size) {
    if (!leg->open || leg->out_len) {
        keep(leg, data, size);
        return;
    }
    ssize_t taken = write(leg->fd, data, size);
    if (taken < 0 && errno != EAGAIN) return end(leg->call);
    if (taken < 0) taken = 0;
    if ((size_t)taken < size) {
        keep(leg, data + taken, size - (size_t)taken);
        want_write(leg, true);
    }
}

static void flush(struct leg *leg) {
    ssize_t taken = leg->out_len ? write(leg->fd, leg->out, leg->out_len) : 0;
    if (taken < 0) {
        if (errno != EAGAIN) end(leg->call);
        return;
    }
    leg->out_len -= (size_t)taken;
    if (leg->out_len) {
        memmove(leg->out, leg->out + taken, leg->out_len);
    } else {
        free(leg->out);
        leg->out = NULL;
    }
    want_write(leg, leg->out_len > 0);
}

// A text frame; `data` lies in `frame` behind HEADER_ROOM already when `placed`.
static void send_placed(struct leg *leg, size_t size) {
    unsigned char *body = (unsigned char *)frame + HEADER_ROOM, *start = body;
    uint8_t mask_bit = leg->client ? 0x80 : 0;
    if (leg->client) {
        mask_seed ^= mask_seed << 13, mask_seed ^= mask_seed >> 17, mask_seed ^= mask_seed << 5;
        start -= 4;
        memcpy(start, &mask_seed, 4);
        uint64_t wide = (uint64_t)mask_seed << 32 | mask_seed, word;
        size_t i = 0;
        for (; i + 8 <= size; i += 8) memcpy(&word, body + i, 8), word ^= wide, memcpy(body + i, &word, 8);
        for (; i < size; i++) body[i] ^= ((unsigned char *)&mask_seed)[i & 3];
    }
    if (size < 126) {
        *--start = (unsigned char)size | mask_bit;
    } else if (size < 65536) {
        *--start = (unsigned char)size, *--start = (unsigned char)(size >> 8), *--start = 126 | mask_bit;
    } else {
        for (int shift = 0; shift < 64; shift += 8) *--start = (unsigned char)((uint64_t)size >> shift);
        *--start = 127 | mask_bit;
    }
    *--start = 0x81;
    put(leg, (char *)start, size + (size_t)(body - start));
}

static void say(struct leg *leg, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(frame + HEADER_ROOM, SCRATCH, format, arguments);
    va_end(arguments);
    send_placed(leg, (size_t)size);
}

static void splice_audio(struct leg *leg, const char *before, const char *audio, size_t size, const char *after) {
    char *at = frame + HEADER_ROOM;
    at = stpcpy(at, before);
    at = mempcpy(at, audio, size);
    at = stpcpy(at, after);
    send_placed(leg, (size_t)(at - frame - HEADER_ROOM));
}

// The text of a JSON string value that needs no unescaping: its start, its length in `size`.
static const char *value(const char *message, size_t length, const char *key, size_t *size) {
    const char *start = memmem(message, length, key, strlen(key));
    if (!start) return NULL;
    start += strlen(key);
    const char *quote = memchr(start, '"', length - (size_t)(start - message));
    if (!quote) return NULL;
    *size = (size_t)(quote - start);
    return start;
}

static void dial(struct call *call) {
    struct leg *model = &call->model;
    int on = 1;
    model->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(model->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(model->fd, (struct sockaddr *)&model_address, sizeof model_address) < 0 && errno != EINPROGRESS)
        return end(call);
    model->wants_write = true;
    watch(model, EPOLL_CTL_ADD);
    say(model, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"instructions\":\"You answer the "
        "phone.\",\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcmu\"}},\"output\":{\"format\":{\"type\":"
        "\"audio/pcmu\"},\"voice\":\"ash\"}}}}");
    say(model, "{\"type\":\"response.create\",\"response\":{\"instructions\":\"Greet the caller.\"}}");
}

static void from_phone(struct call *call, const char *message, size_t length) {
    size_t size;
    const char *audio;
    if (length > 20 && !memcmp(message, "{\"event\":\"media\"", 16)) {
        audio = value(message, length, "\"payload\":\"", &size);
        if (audio && call->model.fd >= 0)
            splice_audio(&call->model, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"", audio, size, "\"}");
    } else if (memmem(message, length, "\"event\":\"start\"", 15)) {
        const char *sid = value(message, length, "\"streamSid\":\"", &size);
        if (!sid || size >= sizeof call->stream_sid) return end(call);
        memcpy(call->stream_sid, sid, size);
        dial(call);
    } else if (memmem(message, length, "\"event\":\"stop\"", 14)) {
        end(call);
    }
}

static void from_model(struct call *call, const char *message, size_t length) {
    size_t size;
    if (length > 40 && !memcmp(message, "{\"type\":\"response.output_audio.delta\"", 36)) {
        const char *audio = value(message, length, "\"delta\":\"", &size);
        if (!audio) return;
        char before[160];
        snprintf(before, sizeof before, "{\"event\":\"media\",\"streamSid\":\"%s\",\"media\":{\"payload\":\"",
                 call->stream_sid);
        splice_audio(&call->phone, before, audio, size, "\"}}");
        say(&call->phone, "{\"event\":\"mark\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%u\"}}", call->stream_sid,
            ++call->marks);
        call->playing = true;
    } else if (call->playing && memmem(message, length < 80 ? length : 80, "speech_started", 14)) {
        say(&call->phone, "{\"event\":\"clear\",\"streamSid\":\"%s\"}", call->stream_sid);
        call->playing = false;
    }
}

static uint32_t rotate(uint32_t value_, int by) { return value_ << by | value_ >> (32 - by); }

// SHA-1 of less than 120 bytes, as RFC 3174 has it.
static void sha1(const char *data, size_t size, uint8_t digest[20]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t block[128] = {0};
    size_t blocks = (size + 8) / 64 + 1;
    memcpy(block, data, size);
    block[size] = 0x80;
    block[blocks * 64 - 2] = (uint8_t)(size * 8 >> 8), block[blocks * 64 - 1] = (uint8_t)(size * 8);
    for (size_t b = 0; b < blocks; b++) {
        uint32_t w[80], v[5];
        for (int i = 0; i < 16; i++) memcpy(&w[i], block + b * 64 + i * 4, 4), w[i] = ntohl(w[i]);
        for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20   ? ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999
                         : i < 40 ? (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1
                         : i < 60 ? ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc
                                  : (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
            uint32_t next = rotate(v[0], 5) + f + v[4] + w[i];
            v[4] = v[3], v[3] = v[2], v[2] = rotate(v[1], 30), v[1] = v[0], v[0] = next;
        }
        for (int i = 0; i < 5; i++) h[i] += v[i];
    }
    for (int i = 0; i < 5; i++) h[i] = htonl(h[i]), memcpy(digest + i * 4, &h[i], 4);
}

static void base64(const uint8_t *data, size_t size, char *into) {
    static const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = data[i] << 16 | (i + 1 < size ? data[i + 1] << 8 : 0) | (i + 2 < size ? data[i + 2] : 0);
        for (int k = 0; k < 4; k++) *into++ = i + (size_t)k > size ? '=' : letters[three >> (18 - 6 * k) & 63];
    }
    *into = 0;
}

static void shake_hands(struct leg *leg, char *request) {
    if (leg->client) {
        if (memcmp(request, "HTTP/1.1 101", 12) != 0) return end(leg->call);
        leg->open = true;
        return flush(leg);
    }
    char *key = strcasestr(request, "sec-websocket-key:"), joined[96], accept[32], answer[256];
    uint8_t digest[20];
    if (!key) return end(leg->call);
    key += strspn(key + 18, " ") + 18;
    int size = snprintf(joined, sizeof joined, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1(joined, (size_t)size, digest);
    base64(digest, sizeof digest, accept);
    size = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                    "Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    leg->open = true;
    put(leg, answer, (size_t)size);
}

// Takes whole frames off the front; returns how much it took.
static size_t take_frames(struct leg *leg, char *data, size_t length) {
    size_t at = 0;
    while (length - at >= 2 && !leg->call->dead) {
        unsigned char *head = (unsigned char *)data + at;
        bool masked = head[1] & 0x80;
        uint64_t size = head[1] & 0x7f;
        size_t header = 2 + (size == 126 ? 2 : size == 127 ? 8 : 0) + (masked ? 4 : 0);
        if (length - at < header) break;
        if (size == 126) size = (uint64_t)head[2] << 8 | head[3];
        else if (size == 127) for (int i = size = 0; i < 8; i++) size = size << 8 | head[2 + i];
        if (length - at - header < size) break;
        char *body = data + at + header;
        if (masked) for (size_t i = 0; i < size; i++) body[i] ^= (char)head[header - 4 + (i & 3)];
        at += header + size;
        if ((head[0] & 15) == 8) end(leg->call);
        else if ((head[0] & 15) == 1) (leg->client ? from_model : from_phone)(leg->call, body, size);
    }
    return at;
}

static void readable(struct leg *leg) {
    char *data = leg->client ? text : scratch;
    memcpy(data, leg->in, leg->in_len);
    ssize_t got = read(leg->fd, data + leg->in_len, SCRATCH - leg->in_len - 1);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(leg->call);
    size_t length = leg->in_len + (size_t)got, taken = 0;
    free(leg->in);
    leg->in = NULL, leg->in_len = 0;
    if (!leg->open) {
        data[length] = 0;
        char *rest = strstr(data, "\r\n\r\n");
        if (rest) {
            taken = (size_t)(rest + 4 - data);
            shake_hands(leg, data);
        }
    }
    if (leg->open) taken += take_frames(leg, data + taken, length - taken);
    if (leg->call->dead || taken == length) return;
    leg->in_len = length - taken;
    leg->in = malloc(leg->in_len);
    memcpy(leg->in, data + taken, leg->in_len);
}

static void writable(struct leg *leg) {
    if (leg->client && !leg->sent_hello) {
        leg->sent_hello = true;
        int size = snprintf(scratch, SCRATCH, "GET /v1/realtime?model=bench HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: "
                            "websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                            "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n\r\n", api_key);
        if (write(leg->fd, scratch, (size_t)size) != size) return end(leg->call);
        want_write(leg, false);
    } else if (leg->open) {
        flush(leg);
    }
}

static void answer_phone(void) {
    int on = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct call *call = calloc(1, sizeof *call);
        call->phone = (struct leg){.call = call, .fd = fd};
        call->model = (struct leg){.call = call, .fd = -1, .client = true};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(&call->phone, EPOLL_CTL_ADD);
    }
}

static void bury(void) {
    while (dead_calls) {
        struct call *call = dead_calls;
        dead_calls = call->next_dead;
        free(call->phone.in), free(call->phone.out), free(call->model.in), free(call->model.out), free(call);
    }
}

int main(void) {
    int on = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(getenv("PORT")))};
    model_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(getenv("MODEL_PORT")))};
    here.sin_addr.s_addr = model_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    api_key = getenv("OPENAI_API_KEY");
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 1024) < 0) return perror("listen"), 1;
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct leg *leg = events[i].data.ptr;
            if (!leg) { answer_phone(); continue; }
            if (events[i].events & EPOLLOUT && !leg->call->dead) writable(leg);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !leg->call->dead) readable(leg);
        }
        bury();
    }
}
