// SPDX-License-Identifier: MIT
/*
 * System V's shared memory, semaphores and message queues, and POSIX's message queues. The same checks pass on Linux, as root. A
 * program of the Linux ABI (static); prints TAP.
 */
#include "tap.h"

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static int value(int id, int number)
{
    return semctl(id, number, GETVAL);
}

static int add(int id, short change, int flags)
{
    struct sembuf op = {0, change, (short)flags};

    return semop(id, &op, 1);
}

static int status_of(pid_t child)
{
    int status = -1;

    waitpid(child, &status, 0);
    return status;
}

static void milliseconds(long n)
{
    struct timespec t = {n / 1000, n % 1000 * 1000000};

    nanosleep(&t, 0);
}

/* The other process may be slow to come to it. */
#define SOON(x)                                       \
    do {                                              \
        for (int ms = 0; !(x) && ms < 5000; ms += 10) \
            milliseconds(10);                         \
        CHECK(x);                                     \
    } while (0)

static void semaphores_count(void)
{
    unsigned short values[3] = {1, 2, 3};
    struct sembuf both[2] = {{0, -1, IPC_NOWAIT}, {2, -4, IPC_NOWAIT}};
    struct timespec soon = {0, 20000000};
    struct semid_ds about;
    int id = semget(0x5345, 3, IPC_CREAT | IPC_EXCL | 0640);

    begin("semaphores are added to and taken from, several at once or none");
    CHECK(id >= 0);
    CHECK(semget(0x5345, 3, 0) == id);
    CHECK(semget(0x5345, 1, IPC_CREAT | 0600) == id);
    CHECK(fails(semget(0x5345, 3, IPC_CREAT | IPC_EXCL), EEXIST));
    CHECK(fails(semget(0x5345, 4, 0), EINVAL));
    CHECK(fails(semget(0x5346, 3, 0), ENOENT));
    CHECK(semctl(id, 0, SETALL, (union semun){.array = values}) == 0);
    CHECK(fails(semop(id, both, 2), EAGAIN));
    CHECK(value(id, 0) == 1 && value(id, 2) == 3);
    both[1].sem_op = -3;
    CHECK(semop(id, both, 2) == 0);
    CHECK(value(id, 0) == 0 && value(id, 1) == 2 && value(id, 2) == 0);
    CHECK(semctl(id, 2, GETPID) == getpid());
    CHECK(fails(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &soon), EAGAIN));
    CHECK(fails(semop(id, &(struct sembuf){3, 1, 0}, 1), EFBIG));
    CHECK(fails(semctl(id, 0, SETVAL, (union semun){.val = 32768}), ERANGE));
    CHECK(semctl(id, 0, IPC_STAT, (union semun){.buf = &about}) == 0);
    CHECK(about.sem_nsems == 3 && (about.sem_perm.mode & 0777) == 0640 && about.sem_otime != 0);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    CHECK(semctl(id, 0, GETVAL) == -1 && (errno == EINVAL || errno == EIDRM));
    end();
}

static void semaphores_block(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600);
    pid_t child;

    begin("who takes too much sleeps until another adds, or the object goes");
    child = fork();
    if (child == 0)
        _exit(add(id, -2, 0) == 0 ? 0 : 1);
    milliseconds(30);
    CHECK(add(id, 1, 0) == 0);
    SOON(semctl(id, 0, GETNCNT) == 1);
    CHECK(add(id, 1, 0) == 0);
    CHECK(status_of(child) == 0);
    CHECK(value(id, 0) == 0);
    child = fork();
    if (child == 0)
        _exit(fails(add(id, -1, 0), EIDRM) ? 0 : 1);
    SOON(semctl(id, 0, GETNCNT) == 1);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    CHECK(status_of(child) == 0);
    end();
}

static void semaphores_are_undone(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600);
    pid_t holder, waiter;

    begin("what SEM_UNDO did is undone at exit, and when SIGKILL comes");
    CHECK(add(id, 1, 0) == 0);
    holder = fork();
    if (holder == 0)
        _exit(add(id, -1, SEM_UNDO) == 0 ? 0 : 1);
    CHECK(status_of(holder) == 0);
    CHECK(value(id, 0) == 1);
    holder = fork();
    if (holder == 0) {
        add(id, -1, SEM_UNDO);
        pause();
    }
    SOON(value(id, 0) == 0);
    waiter = fork();
    if (waiter == 0)
        _exit(add(id, -1, 0) == 0 ? 0 : 1);
    SOON(semctl(id, 0, GETNCNT) == 1);
    kill(holder, SIGKILL);
    CHECK(status_of(waiter) == 0);
    CHECK(WTERMSIG(status_of(holder)) == SIGKILL);
    CHECK(value(id, 0) == 0);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    end();
}

struct text {
    long type;
    char text[64];
};

static void messages_have_types(void)
{
    int id = msgget(0x4d51, IPC_CREAT | 0600);
    struct text m = {3, "three"};
    struct msqid_ds about;

    begin("messages are fetched by type");
    CHECK(id >= 0);
    CHECK(msgsnd(id, &m, 6, 0) == 0);
    m = (struct text){1, "one"};
    CHECK(msgsnd(id, &m, 4, 0) == 0);
    m = (struct text){2, "two"};
    CHECK(msgsnd(id, &m, 4, 0) == 0);
    CHECK(msgrcv(id, &m, 64, 2, 0) == 4 && strcmp(m.text, "two") == 0);
    CHECK(fails(msgrcv(id, &m, 64, 2, IPC_NOWAIT), ENOMSG));
    CHECK(fails(msgrcv(id, &m, 2, 0, 0), E2BIG));
    CHECK(msgrcv(id, &m, 64, -3, 0) == 4 && m.type == 1);
    CHECK(msgctl(id, IPC_STAT, &about) == 0 && about.msg_qnum == 1 && about.msg_lspid == getpid());
    CHECK(msgrcv(id, &m, 3, 0, MSG_NOERROR) == 3 && m.type == 3);
    m.type = 0;
    CHECK(fails(msgsnd(id, &m, 4, 0), EINVAL));
    CHECK(msgctl(id, IPC_RMID, 0) == 0);
    end();
}

static void messages_flow(void)
{
    int id = msgget(IPC_PRIVATE, 0600), sum = 0;
    struct {
        long type;
        char text[1000];
    } m = {1, ""};
    pid_t child = fork();

    begin("a full queue makes the sender wait, an empty one the receiver");
    if (child == 0) {
        for (int i = 0; i < 2000; i++) {
            m.type = 1 + i % 3;
            m.text[0] = (char)i;
            if (msgsnd(id, &m, (size_t)(1 + i % 1000), 0) < 0)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 2000; i++) {
        ssize_t bytes = msgrcv(id, &m, sizeof m.text, 0, 0);

        if (bytes == 1 + i % 1000 && m.type == 1 + i % 3 && m.text[0] == (char)i)
            sum++;
    }
    CHECK(sum == 2000);
    CHECK(status_of(child) == 0);
    child = fork();
    if (child == 0)
        _exit(fails(msgrcv(id, &m, 10, 0, 0), EIDRM) || errno == EINVAL ? 0 : 1);
    milliseconds(200);
    CHECK(msgctl(id, IPC_RMID, 0) == 0);
    CHECK(status_of(child) == 0);
    end();
}

static void memory_is_shared(void)
{
    int id = shmget(IPC_PRIVATE, 10000, 0600);
    void *place = shmat(id, 0, 0), *second;
    volatile int *at = place;
    struct shmid_ds about;
    pid_t child;

    begin("shared memory is seen by all who have it, and they are counted");
    CHECK(at != (void *)-1 && at[0] == 0);
    child = fork();
    if (child == 0) {
        at[1] = 42;
        pause();
    }
    SOON(at[1] == 42);
    CHECK(shmctl(id, IPC_STAT, &about) == 0);
    CHECK(about.shm_nattch == 2 && about.shm_segsz == 10000 && about.shm_cpid == getpid());
    kill(child, SIGKILL);
    status_of(child);
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 1);
    second = shmat(id, 0, SHM_RDONLY);
    CHECK(second != (void *)-1 && second != place && ((volatile int *)second)[1] == 42);
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 2);
    CHECK(shmdt(second) == 0);
    CHECK(fails(shmdt(second), EINVAL));
    CHECK(shmctl(id, IPC_RMID, 0) == 0);
    at[2] = 7;
    CHECK(at[1] == 42 && at[2] == 7);
    CHECK(shmdt(place) == 0);
    CHECK(shmctl(id, IPC_STAT, &about) == -1 && (errno == EINVAL || errno == EIDRM));
    CHECK(fails(shmget(IPC_PRIVATE, 0, 0600), EINVAL));
    end();
}

static void others_are_kept_out(void)
{
    int memory = shmget(IPC_PRIVATE, 100, 0644), sem = semget(IPC_PRIVATE, 1, 0600);
    pid_t child = fork();

    begin("permissions hold");
    if (child == 0) {
        const char *at;

        CHECK(setgid(1000) == 0 && setuid(1000) == 0);
        CHECK(fails(add(sem, 1, 0), EACCES));
        CHECK((long)shmat(memory, 0, 0) == -1 && errno == EACCES);
        at = shmat(memory, 0, SHM_RDONLY);
        CHECK(at != (void *)-1 && at[0] == 0);
        CHECK(fails(shmctl(memory, IPC_RMID, 0), EPERM));
        _exit(tap_bad);
    }
    CHECK(status_of(child) == 0);
    CHECK(shmctl(memory, IPC_RMID, 0) == 0 && semctl(sem, 0, IPC_RMID) == 0);
    end();
}

static void queues_of_posix(void)
{
    struct mq_attr wish = {.mq_maxmsg = 3, .mq_msgsize = 100}, is;
    struct timespec now, soon;
    char text[100];
    unsigned priority = 0;
    mqd_t q = mq_open("/exo-test", O_RDWR | O_CREAT | O_EXCL, 0600, &wish);
    pid_t child;

    begin("POSIX queues give the highest priority first, and wait");
    CHECK(q >= 0);
    CHECK(fails(mq_open("/exo-test", O_RDWR | O_CREAT | O_EXCL, 0600, &wish), EEXIST));
    CHECK(fails(mq_open("/exo-none", O_RDWR), ENOENT));
    CHECK(mq_send(q, "low", 3, 1) == 0 && mq_send(q, "high", 4, 9) == 0 &&
          mq_send(q, "l2", 2, 1) == 0);
    CHECK(mq_getattr(q, &is) == 0 && is.mq_maxmsg == 3 && is.mq_msgsize == 100 &&
          is.mq_curmsgs == 3);
    clock_gettime(CLOCK_REALTIME, &now);
    soon = (struct timespec){now.tv_sec + (now.tv_nsec > 970000000),
                             (now.tv_nsec + 30000000) % 1000000000};
    CHECK(fails(mq_timedsend(q, "x", 1, 0, &soon), ETIMEDOUT));
    CHECK(fails(mq_receive(q, text, 99, 0), EMSGSIZE));
    CHECK(mq_receive(q, text, 100, &priority) == 4 && priority == 9 &&
          memcmp(text, "high", 4) == 0);
    CHECK(mq_receive(q, text, 100, &priority) == 3 && priority == 1 && memcmp(text, "low", 3) == 0);
    CHECK(mq_receive(q, text, 100, 0) == 2);
    CHECK(poll(&(struct pollfd){.fd = q, .events = POLLIN | POLLOUT}, 1, 0) == 1);
    child = fork();
    if (child == 0)
        _exit(mq_receive(q, text, 100, 0) == 5 && memcmp(text, "hello", 5) == 0 ? 0 : 1);
    milliseconds(30);
    CHECK(mq_send(q, "hello", 5, 0) == 0);
    CHECK(status_of(child) == 0);
    wish.mq_flags = O_NONBLOCK;
    CHECK(mq_setattr(q, &wish, 0) == 0);
    CHECK(fails(mq_receive(q, text, 100, 0), EAGAIN));
    CHECK(mq_unlink("/exo-test") == 0 && fails(mq_unlink("/exo-test"), ENOENT));
    CHECK(mq_send(q, "still", 5, 0) == 0 && mq_close(q) == 0);
    end();
}

int main(void)
{
    semaphores_count();
    semaphores_block();
    semaphores_are_undone();
    messages_have_types();
    messages_flow();
    memory_is_shared();
    others_are_kept_out();
    queues_of_posix();
    return finish();
}
