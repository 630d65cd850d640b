/* A mock upstream that is much faster than what it measures: one thread, epoll, no allocation per request.
 *
 *     responder PORT CHUNKS GAP_US
 *
 * A POST whose body asks for a stream is answered with CHUNKS server-sent events, each in a send() of its own, GAP_US
 * apart (0: as fast as the socket takes them), then with [DONE]; any other request with one JSON answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 65536
#define BUFFER 16384
#define ID "\"id\":\"chatcmpl-mock\",\"created\":1750000000,\"model\":\"mock\","
#define CHUNK(delta, finish) "data: {" ID "\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":" \
    delta ",\"finish_reason\":" finish "}]}\n\n"

struct conn {
    size_t len;      /* bytes of requests waiting in `buf` */
    long step;       /* which piece of the stream is next; -1: no stream under way */
    size_t sent;     /* bytes of that piece that are out already */
    uint64_t due;    /* when it is to go, in microseconds */
    int blocked;     /* the socket takes no more for now */
    char buf[BUFFER];
};

struct piece {
    char data[512];
    size_t len;
};

static struct conn *conns[MAX_FD];
static struct piece head, token, last, end, whole;
static long chunks, gap_us;
static int top_fd, ep;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void text(struct piece *p, const char *s) { p->len = (size_t)snprintf(p->data, sizeof p->data, "%s", s); }

static void framed(struct piece *p, const char *s, const char *after) {
    p->len = (size_t)snprintf(p->data, sizeof p->data, "%zx\r\n%s\r\n%s", strlen(s), s, after);
}

static void prepare(void) {
    const char *answer = "{" ID "\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"Hello from the mock.\"},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":38,\"completion_tokens\":5,\"total_tokens\":43}}";
    text(&head, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    framed(&token, CHUNK("{\"content\":\" token\"}", "null"), "");
    framed(&last, CHUNK("{}", "\"stop\""), "");
    framed(&end, "data: [DONE]\n\n", "0\r\n\r\n");
    whole.len = (size_t)snprintf(whole.data, sizeof whole.data,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(answer), answer);
}

static void drop(int fd) {
    free(conns[fd]);
    conns[fd] = NULL;
    close(fd);
}

/* Steps: 0 the head, 1..chunks the events, the last of which carries the finish reason, chunks + 1 the end. */
static struct piece *piece_of(long step) {
    if (step == 0) return &head;
    if (step < chunks) return &token;
    return step == chunks ? &last : &end;
}

/* 1: the piece is out. 0: the socket is full. -1: the client has gone. */
static int send_piece(int fd, struct conn *c, struct piece *p) {
    ssize_t n = send(fd, p->data + c->sent, p->len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) return -1;
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent < p->len) {
        c->blocked = 1;
        return 0;
    }
    c->sent = 0;
    return 1;
}

static void advance(int fd, uint64_t now) {
    struct conn *c = conns[fd];
    while (c->step >= 0 && !c->blocked && c->due <= now) {
        int done = send_piece(fd, c, piece_of(c->step));
        if (done < 0) drop(fd);
        if (done <= 0) return;
        if (c->step == 0) c->due = now + (gap_us ? (uint64_t)(random() % gap_us) : 0);
        else c->due += (uint64_t)gap_us;
        c->step = c->step > chunks ? -1 : c->step + 1;
        if (c->step == chunks + 1) c->due = now;
        if (gap_us == 0) return; /* one piece a turn, so that all streams get theirs */
    }
}

static int answer(int fd, struct conn *c, const char *body, size_t length) {
    if (memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14)) {
        c->step = 0;
        c->due = now_us();
        return 0;
    }
    return send(fd, whole.data, whole.len, MSG_NOSIGNAL) == (ssize_t)whole.len ? 0 : -1;
}

static int take_requests(int fd, struct conn *c) {
    for (;;) {
        char *stop = memmem(c->buf, c->len, "\r\n\r\n", 4);
        if (stop == NULL) return c->len < BUFFER - 1 ? 0 : -1;
        *stop = 0;
        char *field = strcasestr(c->buf, "\r\ncontent-length:");
        *stop = '\r';
        size_t length = field ? (size_t)atol(field + 17) : 0, whole_length = (size_t)(stop + 4 - c->buf) + length;
        if (whole_length > BUFFER - 1) return -1;
        if (c->len < whole_length) return 0;
        if (answer(fd, c, stop + 4, length) < 0) return -1;
        memmove(c->buf, c->buf + whole_length, c->len - whole_length);
        c->len -= whole_length;
        c->buf[c->len] = 0;
    }
}

static void receive(int fd) {
    struct conn *c = conns[fd];
    for (;;) {
        ssize_t n = recv(fd, c->buf + c->len, BUFFER - 1 - c->len, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            drop(fd);
            return;
        }
        c->len += (size_t)n;
        c->buf[c->len] = 0;
        if (take_requests(fd, c) < 0) {
            drop(fd);
            return;
        }
    }
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        if (fd >= MAX_FD || (conns[fd] = calloc(1, sizeof(struct conn))) == NULL) {
            close(fd);
            continue;
        }
        conns[fd]->step = -1;
        top_fd = fd > top_fd ? fd : top_fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4096) < 0) {
        perror("listen");
        exit(1);
    }
    event.data.fd = fd;
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

/* How long epoll may wait, in ms, after every stream that was due has been sent to. */
static int serve_streams(void) {
    int wait = -1;
    uint64_t now = now_us();
    for (int fd = 0; fd <= top_fd; fd++) {
        if (conns[fd] == NULL || conns[fd]->step < 0) continue;
        advance(fd, now);
        if (conns[fd] == NULL || conns[fd]->step < 0 || conns[fd]->blocked) continue;
        wait = gap_us == 0 || wait == 0 ? 0 : 1;
    }
    return wait;
}

int main(int argc, char **argv) {
    static struct epoll_event events[1024];
    if (argc != 4) {
        fprintf(stderr, "usage: responder PORT CHUNKS GAP_US\n");
        return 2;
    }
    chunks = atol(argv[2]);
    gap_us = atol(argv[3]);
    prepare();
    ep = epoll_create1(0);
    int listener = listen_on(atoi(argv[1])), wait = -1;
    for (;;) {
        int n = epoll_wait(ep, events, 1024, wait);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
                continue;
            }
            if (conns[fd] != NULL && events[i].events & EPOLLOUT) conns[fd]->blocked = 0;
            if (conns[fd] != NULL && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(fd);
        }
        wait = serve_streams();
    }
}
