/*
 * A simulated SD card: FUSE makes one regular file into a block device as slow and as forgetful as a card.
 *
 *     card FLASH SIZE_MIB WRITES READS WRITE_KB READ_KB FLUSH_US FUSE-OPTIONS.. MOUNTPOINT
 *
 * FLASH is the file that holds what is durable; MOUNTPOINT is an empty file that becomes the card, to be attached with
 * losetup. WRITES and READS are 4 KiB requests per second at random places, WRITE_KB and READ_KB kB per second in a row,
 * FLUSH_US microseconds for one flush; 0 is "no delay".
 *
 * Time. The card has one queue. A request takes its octets' transfer time, and when it does not go on where the last one
 * of its kind ended, a positioning time on top, chosen so that a random 4 KiB request takes 1/WRITES or 1/READS second.
 * It begins when all requests before it are done.
 *
 * Durability. What is written stays in a volatile cache of 4 KiB blocks. It reaches FLASH when a flush that came after it
 * is done, or earlier when the cache is full (its oldest block is pushed out). A power cut throws the cache away, all of
 * it or each block by a toss; every request is EIO until the power is back, also the flush that was under way.
 *
 * Wear. erase_programs: 4 MiB erase units with new data, summed over flushes. open_misses: writes to a unit that is not
 * one of the 8 written last; a card has to close one and open another then, which is what wears and slows it.
 *
 * Commands come as lines on standard input and each is answered by one line on standard output:
 *     counters                 the counters as JSON
 *     reset                    all counters 0
 *     slow 0|1                 delays off or on (busy_us is counted either way)
 *     cut drop | cut SEED      power cut
 *     on                       power is back
 *     fail WRITES READS FLUSHES AFTER    requests of the kinds that are 1 get EIO, from the AFTER-th on
 *     bad BLOCK                this block of 4 KiB cannot be read any more, until it is written anew
 * At the end of the input the card unmounts itself.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, ERASE = 4 << 20, OPEN_UNITS = 8, CACHE_BLOCKS = (64 << 20) / BLOCK };
enum kind { WRITES, READS, FLUSHES, KINDS };

struct block {                  /* written, not yet durable */
	struct block *next;     /* the one that came into the cache after it */
	uint64_t number, age;
	char octets[BLOCK];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* holds for everything below */
static int flash;
static uint64_t size;
static struct { uint64_t per_s, kb_per_s, next; } way[2]; /* WRITES and READS; next: where the last one ended */
static uint64_t flush_ns, free_from_ns;                   /* the queue is empty from then on */
static int slow;
static unsigned power_offs, dead;

static struct block **cached, *oldest, **newest_next = &oldest;
static uint64_t n_cached, ages;

static char *dirty;             /* per erase unit: written since the last flush */
static uint64_t units, opened[OPEN_UNITS];

static int failing[KINDS];
static uint64_t fail_after;
static char *bad;               /* per block */

static struct {
	uint64_t n[KINDS], octets[KINDS], empty_flushes, erase_programs, open_misses, busy_ns;
} count;

/* ---- time ---- */

static uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* Puts a request of that length into the queue; returns when it will be done. */
static uint64_t enqueue(uint64_t ns)
{
	uint64_t now = clock_ns();
	count.busy_ns += ns;
	if (!slow)
		return now;
	return free_from_ns = (free_from_ns > now ? free_from_ns : now) + ns;
}

static void wait_until(uint64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static uint64_t transfer_ns(enum kind k, uint64_t octets)
{
	return way[k].kb_per_s ? octets * 1000000 / way[k].kb_per_s : 0;
}

static uint64_t request_ns(enum kind k, uint64_t at, uint64_t octets)
{
	uint64_t ns = transfer_ns(k, octets), random_ns = way[k].per_s ? 1000000000 / way[k].per_s : 0;
	if (at != way[k].next && random_ns > transfer_ns(k, BLOCK))
		ns += random_ns - transfer_ns(k, BLOCK);
	way[k].next = at + octets;
	return ns;
}

/* ---- what goes wrong ---- */

static int refused(enum kind k)
{
	if (dead)
		return 1;
	if (!failing[k])
		return 0;
	if (!fail_after)
		return 1;
	fail_after--;
	return 0;
}

static int unreadable(uint64_t at, size_t octets)
{
	for (uint64_t number = at / BLOCK; number * BLOCK < at + octets; number++)
		if (bad[number])
			return 1;
	return 0;
}

/* ---- the volatile cache ---- */

static int program(const struct block *b)
{
	return pwrite(flash, b->octets, BLOCK, b->number * BLOCK) == BLOCK;
}

static void forget_oldest(void)
{
	struct block *b = oldest;
	if (!(oldest = b->next))
		newest_next = &oldest;
	cached[b->number] = NULL;
	n_cached--;
	free(b);
}

static struct block *cache_block(uint64_t number)
{
	struct block *b = cached[number];
	if (b)
		return b;
	if (n_cached == CACHE_BLOCKS) {
		if (!program(oldest))
			return NULL;
		forget_oldest();
	}
	if (!(b = malloc(sizeof *b)))
		return NULL;
	if (pread(flash, b->octets, BLOCK, number * BLOCK) != BLOCK) {
		free(b);
		return NULL;
	}
	b->next = NULL;
	b->number = number;
	b->age = ++ages;
	*newest_next = cached[number] = b;
	newest_next = &b->next;
	n_cached++;
	return b;
}

static uint64_t toss(uint64_t *state)   /* splitmix64 */
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* seed 0: all is lost. Else the seed says how many in 16 blocks survive (1 to 15), and which. */
static void cut(uint64_t seed)
{
	uint64_t state = seed, survivors = seed ? 1 + toss(&state) % 15 : 0;
	dead = 1;
	power_offs++;
	for (; oldest; forget_oldest())
		if (toss(&state) % 16 < survivors)
			program(oldest);
	memset(dirty, 0, units);
}

/* ---- wear ---- */

static void wear(uint64_t unit)
{
	int i = 0;
	dirty[unit] = 1;
	while (i < OPEN_UNITS - 1 && opened[i] != unit + 1)
		i++;
	count.open_misses += opened[i] != unit + 1;
	memmove(opened + 1, opened, i * sizeof *opened);
	opened[0] = unit + 1;
}

/* ---- requests ---- */

/* Goes through the blocks of a request: `part` octets at `buffer` belong `inside` of block `number`. */
#define FOR_BLOCKS(at, octets)                                                                                     \
	for (uint64_t done = 0, number, inside, part;                                                              \
	     done < (octets) && (number = ((at) + done) / BLOCK, inside = ((at) + done) % BLOCK,                   \
	                         part = BLOCK - inside < (octets) - done ? BLOCK - inside : (octets) - done, 1);   \
	     done += part)

static int card_write(const char *path, const char *buffer, size_t octets, off_t at, struct fuse_file_info *info)
{
	(void)path, (void)info;
	if (!octets || (uint64_t)at + octets > size)
		return octets ? -ENOSPC : 0;
	int answer = octets;
	uint64_t end = 0;
	pthread_mutex_lock(&lock);
	if (refused(WRITES))
		answer = -EIO;
	else {
		FOR_BLOCKS((uint64_t)at, octets) {
			struct block *b = cache_block(number);
			if (!b) {
				answer = -EIO;
				break;
			}
			memcpy(b->octets + inside, buffer + done, part);
			bad[number] = 0;
		}
		for (uint64_t unit = at / ERASE; unit <= (at + octets - 1) / ERASE; unit++)
			wear(unit);
		count.n[WRITES]++;
		count.octets[WRITES] += octets;
		end = enqueue(request_ns(WRITES, at, octets));
	}
	pthread_mutex_unlock(&lock);
	wait_until(end);
	return answer;
}

static int card_read(const char *path, char *buffer, size_t octets, off_t at, struct fuse_file_info *info)
{
	(void)path, (void)info;
	if ((uint64_t)at >= size)
		return 0;
	if (octets > size - at)
		octets = size - at;
	int answer = octets;
	uint64_t end = 0;
	pthread_mutex_lock(&lock);
	if (refused(READS) || unreadable(at, octets) || pread(flash, buffer, octets, at) != (ssize_t)octets)
		answer = -EIO;
	else {
		FOR_BLOCKS((uint64_t)at, octets)
			if (cached[number])
				memcpy(buffer + done, cached[number]->octets + inside, part);
		count.n[READS]++;
		count.octets[READS] += octets;
		end = enqueue(request_ns(READS, at, octets));
	}
	pthread_mutex_unlock(&lock);
	wait_until(end);
	return answer;
}

static int card_flush(const char *path, int data_only, struct fuse_file_info *info)
{
	(void)path, (void)data_only, (void)info;
	int answer = 0;
	pthread_mutex_lock(&lock);
	unsigned power = power_offs;
	uint64_t up_to = ages, end = 0;         /* what comes while this one waits is for the next one */
	if (refused(FLUSHES))
		answer = -EIO;
	else {
		count.n[FLUSHES]++;
		count.empty_flushes += !n_cached;
		end = enqueue(n_cached ? flush_ns : 0);
	}
	pthread_mutex_unlock(&lock);
	wait_until(end);
	if (answer)
		return answer;
	pthread_mutex_lock(&lock);
	if (power != power_offs)                /* the power went while it waited */
		answer = -EIO;
	for (; !answer && oldest && oldest->age <= up_to; forget_oldest())
		if (!program(oldest)) {
			answer = -EIO;
			break;
		}
	for (uint64_t unit = 0; !answer && unit < units; unit++) {
		count.erase_programs += dirty[unit];
		dirty[unit] = 0;
	}
	pthread_mutex_unlock(&lock);
	return answer;
}

static int card_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	(void)info;
	if (strcmp(path, "/"))
		return -ENOENT;
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	st->st_size = size;
	st->st_blksize = BLOCK;
	return 0;
}

static int card_open(const char *path, struct fuse_file_info *info)
{
	(void)path;
	info->direct_io = 1;    /* no page cache of the kernel's between loop device and card */
	return 0;
}

static int card_truncate(const char *path, off_t octets, struct fuse_file_info *info)
{
	(void)path, (void)octets, (void)info;
	return -EPERM;
}

/* ---- commands ---- */

static int obey(const char *line)
{
	uint64_t seed;
	int f[KINDS];
	if (!strcmp(line, "reset\n")) {
		memset(&count, 0, sizeof count);
		memset(opened, 0, sizeof opened);
	} else if (!strcmp(line, "cut drop\n"))
		cut(0);
	else if (sscanf(line, "cut %" SCNu64, &seed) == 1 && seed)
		cut(seed);
	else if (!strcmp(line, "on\n"))
		dead = 0;
	else if (sscanf(line, "fail %d %d %d %" SCNu64, &f[WRITES], &f[READS], &f[FLUSHES], &seed) == 4) {
		memcpy(failing, f, sizeof f);
		fail_after = seed;
	} else if (sscanf(line, "bad %" SCNu64, &seed) == 1 && seed < size / BLOCK)
		bad[seed] = 1;
	else
		return sscanf(line, "slow %d", &slow) == 1;
	return 1;
}

static void tell_counters(void)
{
	printf("{\"writes\": %" PRIu64 ", \"written_octets\": %" PRIu64 ", \"reads\": %" PRIu64
	       ", \"read_octets\": %" PRIu64 ", \"flushes\": %" PRIu64 ", \"empty_flushes\": %" PRIu64
	       ", \"erase_programs\": %" PRIu64 ", \"open_misses\": %" PRIu64 ", \"busy_us\": %" PRIu64 "}\n",
	       count.n[WRITES], count.octets[WRITES], count.n[READS], count.octets[READS], count.n[FLUSHES],
	       count.empty_flushes, count.erase_programs, count.open_misses, count.busy_ns / 1000);
}

static void *listen_to_commands(void *unused)
{
	char line[128];
	while (fgets(line, sizeof line, stdin)) {
		pthread_mutex_lock(&lock);
		if (!strcmp(line, "counters\n"))
			tell_counters();
		else
			puts(obey(line) ? "done" : "unknown command");
		pthread_mutex_unlock(&lock);
		fflush(stdout);
	}
	kill(getpid(), SIGTERM);
	return unused;
}

static void *card_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	pthread_t thread;
	connection->max_write = 1 << 20;
	config->attr_timeout = 0;
	if (pthread_create(&thread, NULL, listen_to_commands, NULL))
		exit(1);
	pthread_detach(thread);
	return NULL;
}

static const struct fuse_operations operations = {
	.init = card_init, .getattr = card_getattr, .open = card_open, .truncate = card_truncate,
	.read = card_read, .write = card_write, .fsync = card_flush,
};

int main(int argc, char **argv)
{
	enum { MY_ARGUMENTS = 7 };
	if (argc < MY_ARGUMENTS + 2) {
		fprintf(stderr, "usage: card FLASH SIZE_MIB WRITES READS WRITE_KB READ_KB FLUSH_US .. MOUNTPOINT\n");
		return 2;
	}
	size = strtoull(argv[2], NULL, 10) << 20;
	way[WRITES].per_s = strtoull(argv[3], NULL, 10);
	way[READS].per_s = strtoull(argv[4], NULL, 10);
	way[WRITES].kb_per_s = strtoull(argv[5], NULL, 10);
	way[READS].kb_per_s = strtoull(argv[6], NULL, 10);
	flush_ns = strtoull(argv[7], NULL, 10) * 1000;
	units = (size + ERASE - 1) / ERASE;
	cached = calloc(size / BLOCK, sizeof *cached);
	dirty = calloc(units, 1);
	bad = calloc(size / BLOCK, 1);
	flash = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (!cached || !dirty || !bad || flash < 0 || ftruncate(flash, size)) {
		perror(argv[1]);
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);        /* sleep to the microsecond */
	argv[MY_ARGUMENTS] = argv[0];
	return fuse_main(argc - MY_ARGUMENTS, argv + MY_ARGUMENTS, &operations, NULL);
}
