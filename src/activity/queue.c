/*
 * queue.c
 *		The queue of rejected attempts in shared memory.
 *
 * It consists of blocks of equal size.  A message is a chain of blocks, and the
 * messages of a box are a chain, too.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "../base/base.h"
#include "activity.h"

/* Bytes of the largest message with values: one eighth of the queue. */
Size
mailbox_largest(void)
{
	return ownership_queue_size * (Size) 1024 / 8;
}

/* Leaves a rejected attempt.  wait: for the lock.  What never has room is counted as dropped. */
MailResult
mailbox_post(const char *message, uint32 length, bool wait)
{
	int32 needed = (length + sizeof(length) + BLOCK_DATA - 1) / BLOCK_DATA;
	MailResult result = MAIL_FULL;
	Box *box;

	if (!mailbox_take(mailbox_lock(), wait))
		return MAIL_BUSY;
	box = mailbox_find_box(MyDatabaseId, true);
	if (box != NULL && needed > mailbox_shared->nblocks)
	{
		box->attempts_dropped++;
		result = MAIL_SENT;
	}
	else if (box != NULL && mailbox_shared->nfree >= needed)
	{
		int32 first = mailbox_shared->free;
		int32 block = first;
		uint32 done = 0;

		for (int32 i = 0; i < needed; i++)
		{
			char *data = mailbox_shared->blocks[block].data;
			uint32 room = BLOCK_DATA;
			uint32 part;

			if (i == 0)
			{
				memcpy(data, &length, sizeof(length));
				data += sizeof(length);
				room -= sizeof(length);
			}
			part = Min(room, length - done);
			memcpy(data, message + done, part);
			done += part;
			if (i + 1 < needed)
				block = mailbox_shared->blocks[block].next;
		}
		mailbox_shared->free = mailbox_shared->blocks[block].next;
		mailbox_shared->nfree -= needed;
		mailbox_shared->blocks[block].next = NONE;
		mailbox_shared->blocks[first].next_message = NONE;
		if (box->tail == NONE)
			box->head = first;
		else
			mailbox_shared->blocks[box->tail].next_message = first;
		box->tail = first;
		box->messages++;
		result = MAIL_SENT;
	}
	LWLockRelease(mailbox_lock());
	return result;
}

static uint32
message_length(int32 first)
{
	uint32 length;

	memcpy(&length, mailbox_shared->blocks[first].data, sizeof(length));
	return length;
}

static void
copy_message(char *to, int32 first)
{
	uint32 length = message_length(first);
	uint32 done = 0;

	for (int32 block = first; block != NONE; block = mailbox_shared->blocks[block].next)
	{
		uint32 skip = block == first ? sizeof(length) : 0;
		uint32 part = Min(BLOCK_DATA - skip, length - done);

		memcpy(to + done, mailbox_shared->blocks[block].data + skip, part);
		done += part;
	}
}

/*
 * Copies of the database's oldest attempts, one right after the other: at most
 * `max`, and as many as fit into `space` bytes, but at least one.  *n is how many,
 * and lengths[] has their sizes.  NULL: there are none.
 */
char *
mailbox_attempts(Oid database, Size space, int max, uint32 *lengths, int *n)
{
	char *copy = NULL;

	for (;;)
	{
		Size used = 0;
		Box *box;

		*n = 0;
		LWLockAcquire(mailbox_lock(), LW_SHARED);
		box = mailbox_find_box(database, false);
		if (box != NULL && box->head != NONE)
		{
			space = Max(space, message_length(box->head));
			for (int32 first = box->head; copy != NULL && first != NONE && *n < max;
				 first = mailbox_shared->blocks[first].next_message)
			{
				uint32 length = message_length(first);

				if (used + length > space)
					break;
				copy_message(copy + used, first);
				lengths[(*n)++] = length;
				used += length;
			}
		}
		LWLockRelease(mailbox_lock());
		if (copy != NULL || box == NULL || box->head == NONE)
			return *n > 0 ? copy : NULL;
		/* only the worker takes messages out: the first will still be the first */
		copy = MemoryContextAllocHuge(CurrentMemoryContext, space);
	}
}

/* Frees the first message of a box.  The caller has taken the lock. */
void
mailbox_take_out(Box *box)
{
	int32 first = box->head;
	int32 last = first;

	box->head = mailbox_shared->blocks[first].next_message;
	if (box->head == NONE)
		box->tail = NONE;
	box->messages--;
	mailbox_shared->nfree++;
	while (mailbox_shared->blocks[last].next != NONE)
	{
		last = mailbox_shared->blocks[last].next;
		mailbox_shared->nfree++;
	}
	mailbox_shared->blocks[last].next = mailbox_shared->free;
	mailbox_shared->free = first;
}

/* Takes out the oldest n attempts, which are in the table now.  Raises no error. */
void
mailbox_attempts_written(Oid database, int n)
{
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	for (int i = 0; box != NULL && i < n && box->head != NONE; i++)
		mailbox_take_out(box);
	LWLockRelease(mailbox_lock());
}
