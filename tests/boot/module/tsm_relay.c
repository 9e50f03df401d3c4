// SPDX-License-Identifier: GPL-2.0
/*
 * tsm_relay.c: a provider of configfs-tsm for the guest of the boot test. Reports are made by whoever has opened
 * /dev/tsm_relay: a read there gives the next request, a write the answer to it. As long as it is open there is a
 * provider, by the name that the module was loaded with.
 *
 * request: u32 size of all, u32 privilege level, provider in 16 bytes, inblob
 * answer:  u32 size of all, s32 0 or a negative errno, u32 size of outblob, outblob, auxblob
 */
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define HEAD		12
#define ANSWER_MAX	(HEAD + 2 * TSM_OUTBLOB_MAX)

static char *provider = "tdx_guest";
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider, "tdx_guest or sev_guest");

struct request {
	u32	size, privlevel;
	char	provider[16];
	u8	inblob[TSM_INBLOB_MAX];
};

static DEFINE_MUTEX(lock);			/* of these: */
static struct request request;
static struct tsm_report *waiting;		/* for an answer */
static bool told;				/* the request has been read */
static int result;
static DECLARE_WAIT_QUEUE_HEAD(asked);
static DECLARE_COMPLETION(answered);

static void ask(struct tsm_report *report)
{
	guard(mutex)(&lock);
	memset(&request, 0, sizeof(request));
	strscpy(request.provider, provider, sizeof(request.provider));
	memcpy(request.inblob, report->desc.inblob, report->desc.inblob_len);
	request.privlevel = report->desc.privlevel;
	request.size = offsetof(struct request, inblob) + report->desc.inblob_len;
	waiting = report;
	told = false;
	reinit_completion(&answered);
}

/* The core calls this for one report at a time. */
static int report_new(struct tsm_report *report, void *data)
{
	long left;

	ask(report);
	wake_up(&asked);
	left = wait_for_completion_interruptible_timeout(&answered, 30 * HZ);
	guard(mutex)(&lock);
	if (waiting) {
		waiting = NULL;
		return left < 0 ? -EINTR : -ETIMEDOUT;
	}
	return result;
}

static bool is_sev(void)
{
	return strcmp(provider, "sev_guest") == 0;
}

static bool attr_visible(int n)
{
	return n == TSM_REPORT_GENERATION || n == TSM_REPORT_PROVIDER ||
	       (is_sev() && (n == TSM_REPORT_PRIVLEVEL || n == TSM_REPORT_PRIVLEVEL_FLOOR));
}

static bool bin_attr_visible(int n)
{
	return n == TSM_REPORT_INBLOB || n == TSM_REPORT_OUTBLOB || (is_sev() && n == TSM_REPORT_AUXBLOB);
}

static struct tsm_ops ops = {
	.report_new = report_new,
	.report_attr_visible = attr_visible,
	.report_bin_attr_visible = bin_attr_visible,
};

static int relay_open(struct inode *inode, struct file *file)
{
	ops.name = provider;
	return tsm_register(&ops, NULL);
}

static int relay_release(struct inode *inode, struct file *file)
{
	scoped_guard(mutex, &lock) {
		if (waiting) {
			result = -EIO;
			waiting = NULL;
			complete(&answered);
		}
	}
	return tsm_unregister(&ops);
}

static bool pending(void)
{
	guard(mutex)(&lock);
	return waiting && !told;
}

static __poll_t relay_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &asked, table);
	return (pending() ? EPOLLIN : 0) | EPOLLOUT;
}

static ssize_t relay_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	if (wait_event_interruptible(asked, pending()))
		return -EINTR;
	guard(mutex)(&lock);
	if (!waiting || size < request.size)
		return -EINVAL;
	if (copy_to_user(to, &request, request.size))
		return -EFAULT;
	told = true;
	return request.size;
}

static int take_blobs(const u8 *blobs, u32 size, u32 out_size)
{
	if (out_size > size || out_size > TSM_OUTBLOB_MAX || size - out_size > TSM_OUTBLOB_MAX)
		return -EINVAL;
	waiting->outblob = kvmemdup(blobs, out_size, GFP_KERNEL);
	if (!waiting->outblob)
		return -ENOMEM;
	waiting->outblob_len = out_size;
	if (size == out_size)
		return 0;
	waiting->auxblob = kvmemdup(blobs + out_size, size - out_size, GFP_KERNEL);
	waiting->auxblob_len = waiting->auxblob ? size - out_size : 0;
	return waiting->auxblob ? 0 : -ENOMEM;
}

static ssize_t relay_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	u8 *answer __free(kvfree) = NULL;
	s32 error;
	u32 out_size;

	if (size < HEAD || size > ANSWER_MAX)
		return -EINVAL;
	answer = vmemdup_user(from, size);
	if (IS_ERR(answer))
		return PTR_ERR(no_free_ptr(answer));
	memcpy(&error, answer + 4, sizeof(error));
	memcpy(&out_size, answer + 8, sizeof(out_size));
	guard(mutex)(&lock);
	if (!waiting || !told)
		return -ENOENT;
	result = error < 0 ? error : take_blobs(answer + HEAD, size - HEAD, out_size);
	waiting = NULL;
	complete(&answered);
	return size;
}

static const struct file_operations relay_operations = {
	.owner = THIS_MODULE,
	.open = relay_open,
	.release = relay_release,
	.poll = relay_poll,
	.read = relay_read,
	.write = relay_write,
};

static struct miscdevice relay = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tsm_relay",
	.fops = &relay_operations,
};
module_misc_device(relay);

MODULE_DESCRIPTION("Provider of configfs-tsm for tests: relays to user space");
MODULE_LICENSE("GPL");
