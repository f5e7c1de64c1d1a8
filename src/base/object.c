/*
 * object.c
 *		JSON objects of columns and their values, as evidence has them.
 *
 * An object of texts, numbers and nulls is written at once in the form in which jsonb
 * is stored; PostgreSQL's own functions, which take any value, take several times as
 * long.  They make what is larger, or contains other objects.
 */
#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base.h"

/* PostgreSQL makes an object with more bytes of names and values. */
#define LARGE (1024 * 1024)

/* An empty object for at most n columns. */
void
value_object_begin(ValueObject *object, int n)
{
	object->pairs = palloc(Max(n, 1) * sizeof(ValuePair));
	object->n = 0;
}

/* Adds a column; the caller sets the value.  The name is not copied; no name comes twice. */
JsonbValue *
value_object_add(ValueObject *object, const char *name)
{
	ValuePair *pair = &object->pairs[object->n++];

	pair->name = name;
	pair->len = strlen(name);
	return &pair->value;
}

/* The order of keys in jsonb. */
static inline int
compare_names(const ValuePair *a, const ValuePair *b)
{
	return a->len != b->len ? (a->len < b->len ? -1 : 1) : memcmp(a->name, b->name, a->len);
}

static int
compare_pairs(const void *a, const void *b)
{
	return compare_names(a, b);
}

/* An upper limit of the bytes of names and values; -1: they contain objects. */
static int64
data_size(const ValueObject *object)
{
	int64 size = 0;

	for (int i = 0; i < object->n; i++)
	{
		const JsonbValue *v = &object->pairs[i].value;

		size += object->pairs[i].len;
		if (v->type == jbvString)
			size += v->val.string.len;
		else if (v->type == jbvNumeric)
			size += VARSIZE_ANY(v->val.numeric) + sizeof(int32);
		else if (v->type != jbvNull)
			return -1;
	}
	return size;
}

/* Where the next entry is written, and its data. */
typedef struct Place
{
	JEntry *entry;
	int i;		/* the entry's number */
	char *data; /* of the first entry */
	char *end;	/* of the data so far */
} Place;

/* Writes an entry whose data, up to `end`, is written. */
static inline void
end_entry(Place *place, char *end, JEntry type)
{
	/* some entries have the offset of their end in the place of a length */
	if (place->i++ % JB_OFFSET_STRIDE == 0)
		*place->entry++ = type | JENTRY_HAS_OFF | (JEntry) (end - place->data);
	else
		*place->entry++ = type | (JEntry) (end - place->end);
	place->end = end;
}

static inline void
write_bytes(Place *place, const void *bytes, int len)
{
	memcpy(place->end, bytes, len);
	end_entry(place, place->end + len, JENTRY_ISSTRING);
}

static inline void
write_number(Place *place, Jsonb *jsonb, Numeric number)
{
	int len = VARSIZE_ANY(number);
	char *at = (char *) jsonb + INTALIGN(place->end - (char *) jsonb);

	memset(place->end, 0, at - place->end);
	memcpy(at, number, len);
	end_entry(place, at + len, JENTRY_ISNUMERIC);
}

static Jsonb *
make_flat(const ValueObject *object, Size data)
{
	Size head =
		offsetof(Jsonb, root) + offsetof(JsonbContainer, children) + 2 * object->n * sizeof(JEntry);
	Jsonb *jsonb = palloc(head + data);
	Place place = {jsonb->root.children, 0, (char *) jsonb + head, (char *) jsonb + head};

	jsonb->root.header = object->n | JB_FOBJECT;
	for (int i = 0; i < object->n; i++)
		write_bytes(&place, object->pairs[i].name, object->pairs[i].len);
	for (int i = 0; i < object->n; i++)
	{
		const JsonbValue *v = &object->pairs[i].value;

		if (v->type == jbvString)
			write_bytes(&place, v->val.string.val, v->val.string.len);
		else if (v->type == jbvNumeric)
			write_number(&place, jsonb, v->val.numeric);
		else
			end_entry(&place, place.end, JENTRY_ISNULL);
	}
	SET_VARSIZE(jsonb, place.end - (char *) jsonb);
	return jsonb;
}

/*
 * The object.
 *
 * Errors: it does not fit into jsonb (program_limit_exceeded).
 */
Jsonb *
value_object_end(ValueObject *object)
{
	JsonbParseState *state = NULL;
	int64 size = data_size(object);

	if (size >= 0 && size <= LARGE)
	{
		if (object->n > 1)
			qsort(object->pairs, object->n, sizeof(ValuePair), compare_pairs);
		return make_flat(object, size);
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < object->n; i++)
	{
		JsonbValue name;

		name.type = jbvString;
		name.val.string.val = unconstify(char *, object->pairs[i].name);
		name.val.string.len = object->pairs[i].len;
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &object->pairs[i].value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
