/*
 * texts.c
 *		Hash tables whose keys are texts.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"

#include "sheet.h"

static uint32
hash_key(const void *key, Size size)
{
	const char *text = *(const char *const *) key;

	(void) size;
	return string_hash(text, strlen(text) + 1);
}

static int
compare_keys(const void *a, const void *b, Size size)
{
	(void) size;
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* A hash table whose entries begin with the address of a text, which is the key. */
HTAB *
resolve_hash(Size entry)
{
	HASHCTL ctl = {.keysize = sizeof(char *),
				   .entrysize = entry,
				   .hash = hash_key,
				   .match = compare_keys,
				   .hcxt = CurrentMemoryContext};

	return hash_create("ownership texts of a sheet", 256, &ctl,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}
