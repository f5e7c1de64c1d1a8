/*
 * suggest.c
 *		Proposals from the guide: which domain a column is of, and which system
 *		should own it.
 *
 * Evidence comes from names, comments, keys and traffic.  A proposal is sure
 * only where two pieces of evidence agree and none speaks against it; where
 * nothing is left but a guess, the answer is "unknown".  What a person decided
 * about a field is on the map and is not looked at; only what marks a row as
 * deleted takes the system that owns the key there.
 */
#include "base.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ownership_suggest);
PG_FUNCTION_INFO_V1(ownership_adopt);

/*
 * Products whose name in a column's name marks a copy of that product's
 * value, or its key there, beside the systems that are registered.
 */
static const char gather_foreign_product[] =
	"akeneo|amazon|big_?commerce|dynamics|ebay|face_?book|google|hub_?spot|klaviyo|linked_?in|magento|"
	"mail_?chimp|marketo|net_?suite|odoo|pay_?pal|quick_?books|sage|sales_?force|sap|sfdc|shopify|"
	"stripe|woo_?commerce|xero|zendesk";

/* Columns that say of a row that it is deleted, though it is there. */
static const char deletion[] =
	"^_*(?:(?:is|was|has_been|marked(?:_as)?|date|time|timestamp|soft|row|record|fivetran|sdc|cdc|"
	"dlt|airbyte|ab)_+)*"
	"(?:(?:deleted|archived|trashed|discarded|purged|tombstoned?)"
	"(?:_(?:at|on|by|date|time|datetime|timestamp|ts|utc|gmt|flag|id|user|uid))*|"
	"(?:deletion|delete|del|archival|archive)_"
	"(?:at|on|by|date|time|datetime|timestamp|ts|flag|mark(?:er)?|indicator|status)|"
	"is_removed|removed_(?:at|on|by|date))$";

/* What a column is called that has another's value as it was received. */
#define RAW_PREFIX "raw_"

/* Of a name's bytes, each may become two: a capital and an underscore. */
#define MAX_SPELLED (4 * NAMEDATALEN)

#define TECHNICAL "technical"
#define KEY "key"

typedef struct Domain
{
	int index;
	char *name;
	List *kinds; /* natural owners, the preferred first */
	/* regular expressions; NULL: there is none */
	char *column_words;
	char *column_qualified; /* the same pattern, for table.column */
	char *column_definite;	/* that, where it is another without what any document has */
	char *table_words;
	char *table_qualified;
	bool documents; /* its tables copy what is of others */
} Domain;

typedef struct System
{
	char *name;
	char *kind;
	char *word;	  /* the name, as a word of a column's name would be */
	char *normal; /* and split into words */
} System;

/* A column's name, and what it says alone (a domain's index; -1: nothing). */
typedef struct ColumnName
{
	char spelled[MAX_SPELLED]; /* in small letters */
	char *normal;			   /* and split into words */
	int domain;
	int beside;	  /* a business domain, where the first is technical */
	bool deletes; /* marks rows as deleted */
	bool foreign; /* holds the name of a product */
} ColumnName;

/* A table's name, and in which domains' tables it is. */
typedef struct GuidedTable
{
	char *normal;
	Bitmapset *expects; /* what a column's name says of these can be believed */
	int whole;			/* all of it is of this one, or -1 */
	char *key_owner;	/* the only system whose keys it has, or NULL */
} GuidedTable;

/* A column, what speaks for which domain (by index; -1: nothing), and the verdict. */
typedef struct Suggestion
{
	char *schema;
	char *table;
	char *column;
	Oid relid;
	bool primary;
	char *comment;
	char *references; /* a foreign key's target */
	char *writers;	  /* seen */
	char *only_writer;
	char *source; /* whose private copy the table is */
	char *entity; /* on the map: the field that it holds */
	char *field;
	bool mapped_key; /* which is a key there */
	char *key_owner; /* and whose */

	ColumnName *name;
	GuidedTable *table_name;
	struct Suggestion *raw_of; /* the column of which it has the raw value */
	int by_both;			   /* column and table together */
	bool doubted;			   /* the column's name alone says something else, and more */
	Bitmapset *by_comment;

	Domain *domain; /* NULL: unknown */
	const char *kind;
	const char *system;
	bool judged;
	bool sure;
	bool contradicted; /* evidence speaks for different domains */
	StringInfoData reason;
} Suggestion;

/* what there is */

static List *
gather_read_domains(Words *words)
{
	Parameters p = {0};
	uint64 n =
		sql_run("SELECT name, array_remove(natural_owner, NULL), column_pattern, table_pattern "
				"FROM ownership.domain ORDER BY position NULLS FIRST, name COLLATE \"C\"",
				&p);
	List *domains = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		Domain *d = palloc0(sizeof(Domain));
		char *columns = sql_result_text(i, 3);
		char *tables = sql_result_text(i, 4);

		d->index = i;
		d->name = sql_result_text(i, 1);
		d->kinds = sql_result_texts(i, 2);
		if (columns != NULL)
		{
			words_learn(words, pattern_expand(columns));
			d->column_words = pattern_words(columns);
			/* most say nothing of tables */
			d->column_qualified = pattern_qualified(columns);
			d->column_definite = pattern_definite(columns);
			d->documents = pattern_of_documents(columns);
		}
		if (tables != NULL)
		{
			words_learn(words, pattern_expand(tables));
			d->table_words = pattern_words(tables);
			d->table_qualified = pattern_qualified(tables);
		}
		domains = lappend(domains, d);
	}
	return domains;
}

static List *
gather_read_systems(Words *words)
{
	Parameters p = {0};
	uint64 n = sql_run("SELECT name, kind FROM ownership.system ORDER BY name COLLATE \"C\"", &p);
	List *systems = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		System *s = palloc0(sizeof(System));

		s->name = sql_result_text(i, 1);
		s->kind = sql_result_text(i, 2);
		s->word = pattern_normal_name(s->name);
		words_learn(words, s->word);
		s->normal = words_split(words, s->word);
		systems = lappend(systems, s);
	}
	return systems;
}

/* The name of a column, or its like: there is one of each. */
static ColumnName *
column_name(HTAB *names, Words *words, const char *name)
{
	char key[MAX_SPELLED];
	ColumnName *result;
	bool found;

	strlcpy(key, pattern_normal_name(name), MAX_SPELLED);
	result = hash_search(names, key, HASH_ENTER, &found);
	if (!found)
	{
		result->normal = words_split(words, result->spelled);
		result->domain = result->beside = -1;
		result->deletes = result->foreign = false;
	}
	return result;
}

/* The columns that can be on the map, of tables that match. */
static List *
gather_read_columns(const char *pattern, Words *words, HTAB *names)
{
	Parameters p = {0};
	uint64 n;
	List *columns = NIL;

	n = sql_run("SELECT n.nspname, c.relname, a.attname, c.oid::text, "
				"(a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) IS TRUE)::text, "
				"col_description(c.oid, a.attnum), "
				"(SELECT min(ownership.relation_name(fn.nspname, fc.relname)) FROM pg_constraint k "
				"JOIN pg_class fc ON fc.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace "
				"WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0 AND a.attnum = ANY (k.conkey)), "
				"w.systems, w.only, m.entity, m.field, t.source, f.key::text, CASE WHEN f.key THEN f.owner END "
				"FROM " MAPPABLE_COLUMNS "LEFT JOIN ownership.mirrored_column m "
				"ON (m.table_schema, m.table_name, m.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"LEFT JOIN ownership.field f ON (f.entity, f.name) = (m.entity, m.field) "
				"LEFT JOIN ownership.mirrored_table t "
				"ON (t.table_schema, t.table_name) = (n.nspname::text, c.relname::text) "
				"LEFT JOIN (SELECT table_schema, table_name, column_name, "
				"string_agg(system, ', ' ORDER BY system COLLATE \"C\") AS systems, "
				"CASE count(*) WHEN 1 THEN min(system) END AS only "
				"FROM ownership.activity WHERE writes > 0 AND system IS NOT NULL GROUP BY 1, 2, 3) w "
				"ON (w.table_schema, w.table_name, w.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attnum",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Suggestion *s;
		char *schema = sql_result_text(i, 1);
		char *table = sql_result_text(i, 2);

		if (!names_match_table(pattern, schema, table))
			continue;
		s = palloc0(sizeof(Suggestion));
		s->schema = schema;
		s->table = table;
		s->column = sql_result_text(i, 3);
		s->relid = atooid(sql_result_text(i, 4));
		s->primary = sql_result_bool(i, 5);
		s->comment = sql_result_text(i, 6);
		if (s->comment != NULL)
			s->comment = pattern_normal_name(s->comment);
		s->references = sql_result_text(i, 7);
		s->writers = sql_result_text(i, 8);
		s->only_writer = sql_result_text(i, 9);
		s->entity = sql_result_text(i, 10);
		s->field = sql_result_text(i, 11);
		s->source = sql_result_text(i, 12);
		s->mapped_key = sql_result_bool(i, 13);
		s->key_owner = sql_result_text(i, 14);
		s->name = column_name(names, words, s->column);
		s->by_both = -1;
		columns = lappend(columns, s);
	}
	if (columns == NIL)
		require_no_table_matches(pattern);
	return columns;
}

/* evidence */

static Domain *
gather_domain_at(List *domains, int index)
{
	return index < 0 ? NULL : list_nth(domains, index);
}

static bool
gather_is_technical(Domain *domain)
{
	return strcmp(domain->name, TECHNICAL) == 0;
}

static bool
is_business(Domain *domain)
{
	return !gather_is_technical(domain) && strcmp(domain->name, KEY) != 0;
}

/*
 * The tables of the columns: their names, and the system that owns the key.
 * It is that of the key on the map, else who creates the rows.
 */
static List *
gather_tables(List *columns, Words *words)
{
	List *tables = NIL;
	Oid last = InvalidOid;
	GuidedTable *table = NULL;
	bool mapped = false;
	int keys = 0;
	ListCell *c;

	foreach(c, columns)
	{
		Suggestion *s = lfirst(c);
		char *owner = s->key_owner != NULL ? s->key_owner
					  : s->source != NULL  ? s->source
										   : s->only_writer;

		if (s->relid != last)
		{
			table = palloc0(sizeof(GuidedTable));
			table->normal = words_split(words, pattern_normal_name(s->table));
			table->whole = -1;
			tables = lappend(tables, table);
			last = s->relid;
			mapped = false;
			keys = 0;
		}
		s->table_name = table;
		if (s->mapped_key && !mapped)
		{
			mapped = true;
			keys = 0;
		}
		if (mapped ? !s->mapped_key : !s->primary)
			continue;
		if (keys++ == 0)
			table->key_owner = owner;
		else if (owner == NULL || table->key_owner == NULL || strcmp(owner, table->key_owner) != 0)
			table->key_owner = NULL;
	}
	return tables;
}

/* Which column has the value of which it is the raw form? */
static void
gather_find_raw(List *columns)
{
	int n = list_length(columns);
	int begin = 0;

	for (int i = 0; i < n; i++)
	{
		Suggestion *s = list_nth(columns, i);
		const char *normal = s->name->normal;

		if (s->relid != ((Suggestion *) list_nth(columns, begin))->relid)
			begin = i;
		if (strncmp(normal, RAW_PREFIX, strlen(RAW_PREFIX)) != 0)
			continue;
		for (int j = begin; j < n && s->raw_of == NULL; j++)
		{
			Suggestion *other = list_nth(columns, j);

			if (other->relid != s->relid)
				break;
			if (strcmp(other->name->normal, normal + strlen(RAW_PREFIX)) == 0)
				s->raw_of = other;
		}
	}
}

/* What each domain's patterns say of the columns' names alone. */
static void
gather_names(List *domains, HTAB *table)
{
	int n = hash_get_num_entries(table);
	ColumnName **all = palloc(n * sizeof(ColumnName *));
	char **names = palloc(n * sizeof(char *));
	bool *hit;
	HASH_SEQ_STATUS status;
	ColumnName *name;
	ListCell *d;

	hash_seq_init(&status, table);
	for (int i = 0; (name = hash_seq_search(&status)) != NULL; i++)
		all[i] = name;
	foreach(d, domains)
	{
		Domain *domain = lfirst(d);

		if (domain->column_words == NULL)
			continue;
		for (int i = 0; i < n; i++)
		{
			Domain *said = gather_domain_at(domains, all[i]->domain);

			/* of a technical name, whether business is in it, too */
			names[i] = said == NULL || (gather_is_technical(said) && all[i]->beside < 0 &&
										is_business(domain))
						   ? all[i]->normal
						   : NULL;
		}
		hit = pattern_hit_names(domain->column_words, names, n);
		for (int i = 0; i < n; i++)
		{
			if (!hit[i])
				continue;
			if (all[i]->domain < 0)
				all[i]->domain = domain->index;
			else
				all[i]->beside = domain->index;
		}
		pfree(hit);
	}

	for (int i = 0; i < n; i++)
		names[i] = all[i]->normal;
	hit = pattern_hit_names(deletion, names, n);
	for (int i = 0; i < n; i++)
		all[i]->deletes = hit[i];
	hit = pattern_hit_names(pattern_words(gather_foreign_product), names, n);
	for (int i = 0; i < n; i++)
		all[i]->foreign = hit[i];
}

/* And of columns and tables together, and of comments. */
static void
gather_columns(List *domains, List *columns)
{
	int n = list_length(columns);
	Suggestion **s = palloc(n * sizeof(Suggestion *));
	char **names = palloc(n * sizeof(char *));
	char **both = palloc(n * sizeof(char *));
	bool *hit;
	ListCell *d;
	ListCell *c;

	foreach(c, columns)
	{
		int i = foreach_current_index(c);

		s[i] = lfirst(c);
		both[i] = psprintf("%s.%s", s[i]->table_name->normal, s[i]->name->normal);
	}
	foreach(d, domains)
	{
		Domain *domain = lfirst(d);

		if (domain->column_words != NULL && is_business(domain))
		{
			for (int i = 0; i < n; i++)
				names[i] = s[i]->comment;
			hit = pattern_hit_names(domain->column_words, names, n);
			for (int i = 0; i < n; i++)
				if (hit[i])
					s[i]->by_comment = bms_add_member(s[i]->by_comment, domain->index);
			pfree(hit);
		}
		if (domain->column_qualified == NULL)
			continue;
		for (int i = 0; i < n; i++)
			names[i] = s[i]->by_both < 0 ? both[i] : NULL;
		hit = pattern_hit_names(domain->column_qualified, names, n);
		for (int i = 0; i < n; i++)
		{
			Domain *alone = gather_domain_at(domains, s[i]->name->domain);

			names[i] = NULL;
			if (!hit[i])
				continue;
			s[i]->by_both = domain->index;
			/* it says that rows are deleted, or another domain, whose tables are no documents */
			if (!s[i]->name->deletes && (alone == NULL || alone == domain || !is_business(alone) ||
										 (alone->documents && domain->documents)))
				continue;
			s[i]->doubted = domain->column_definite != NULL;
			names[i] = both[i];
		}
		pfree(hit);
		if (domain->column_definite == NULL)
			continue;
		/* not just by a word that any document has: then it is such a table's own, or its copy */
		hit = pattern_hit_names(domain->column_definite, names, n);
		for (int i = 0; i < n; i++)
			if (hit[i])
				s[i]->doubted = false;
		pfree(hit);
	}
}

/* And of the tables. */
static void
gather_expected(List *domains, List *tables)
{
	int n = list_length(tables);
	char **names = palloc(n * sizeof(char *));
	char **whole = palloc(n * sizeof(char *));
	ListCell *d;
	ListCell *t;

	foreach(t, tables)
	{
		names[foreach_current_index(t)] = ((GuidedTable *) lfirst(t))->normal;
		whole[foreach_current_index(t)] = psprintf("%s.", ((GuidedTable *) lfirst(t))->normal);
	}
	foreach(d, domains)
	{
		Domain *domain = lfirst(d);
		bool *by_words;
		bool *by_whole;

		if (domain->table_words == NULL)
			continue;
		by_words = pattern_hit_names(domain->table_words, names, n);
		by_whole = domain->table_qualified == NULL
					   ? palloc0(n * sizeof(bool))
					   : pattern_hit_names(domain->table_qualified, whole, n);
		foreach(t, tables)
		{
			GuidedTable *table = lfirst(t);
			int i = foreach_current_index(t);

			if (by_words[i])
				table->expects = bms_add_member(table->expects, domain->index);
			if (by_whole[i] && table->whole < 0)
				table->whole = domain->index;
		}
	}
}

/* the verdict */

static void because(Suggestion *s, const char *format, ...) pg_attribute_printf(2, 3);

static void
because(Suggestion *s, const char *format, ...)
{
	va_list args;
	int needed;

	if (s->reason.len > 0)
		appendStringInfoString(&s->reason, "; ");
	for (;;)
	{
		va_start(args, format);
		needed = appendStringInfoVA(&s->reason, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&s->reason, needed);
	}
}

static Domain *
find_domain(List *domains, const char *name)
{
	ListCell *lc;

	foreach(lc, domains)
		if (strcmp(((Domain *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* Is it a whole word of the column's name? */
static bool
has_word(const char *normal, const char *word)
{
	int len = strlen(word);

	for (const char *c = strstr(normal, word); len > 0 && c != NULL; c = strstr(c + 1, word))
		if ((c == normal || c[-1] == '_') && (c[len] == '\0' || c[len] == '_'))
			return true;
	return false;
}

/* The registered system whose name the column's name holds, or NULL. */
static System *
named_system(Suggestion *s, List *systems)
{
	ListCell *lc;

	foreach(lc, systems)
	{
		System *system = lfirst(lc);

		if (has_word(s->name->spelled, system->word) || has_word(s->name->normal, system->normal))
			return system;
	}
	return NULL;
}

/*
 * Weigh what the names and the comment say: the column's, the table's, and
 * both together.
 */
static void
weigh_names(Suggestion *s, List *domains)
{
	Domain *name = gather_domain_at(domains, s->name->domain);
	Domain *both = gather_domain_at(domains, s->by_both);
	Domain *table = gather_domain_at(domains, s->table_name->whole);

	if (name != NULL && gather_is_technical(name))
	{
		s->domain = name;
		s->sure = true;
		because(s, "the column's name is a technical one");
		if (s->name->beside < 0)
			return;
		/* what an owner should have must not be taken for anybody's */
		s->domain = gather_domain_at(domains, s->name->beside);
		s->sure = false;
		s->contradicted = true;
		because(s, "but it says %s, too", s->domain->name);
		return;
	}
	/* a rule about such a column of such a table knows best */
	if (s->doubted && name != NULL)
	{
		s->domain = both;
		s->contradicted = true;
		because(s, "the names of the column and the table say %s", both->name);
	}
	else if (both != NULL || (table != NULL && name == table))
	{
		s->domain = both != NULL ? both : table;
		s->sure = true;
		because(s, "the names of the column and the table say %s", s->domain->name);
	}
	else if (table != NULL)
	{
		s->domain = table;
		s->contradicted = name != NULL;
		because(s, "the table's name says %s", table->name);
	}
	else if (name != NULL && bms_is_member(name->index, s->table_name->expects))
	{
		s->domain = name;
		s->sure = true;
		because(s, "the column's name says %s, the table's agrees", name->name);
	}
	else if (name != NULL && bms_is_empty(s->table_name->expects))
	{
		s->domain = name;
		because(s, "the column's name says %s", name->name);
	}
	else if (name != NULL)
	{
		s->contradicted = true;
		because(s, "the column's name says %s, which is not expected in such a table", name->name);
	}
	if (s->domain != NULL && s->contradicted)
		because(s, "the column's alone would say %s", name->name);

	if (bms_is_empty(s->by_comment) || s->contradicted)
		return;
	if (s->domain == NULL)
	{
		if (bms_membership(s->by_comment) == BMS_SINGLETON)
		{
			s->domain = list_nth(domains, bms_singleton_member(s->by_comment));
			because(s, "the comment says %s", s->domain->name);
		}
	}
	else if (bms_is_member(s->domain->index, s->by_comment))
	{
		s->sure = true;
		because(s, "the comment agrees");
	}
	else
	{
		s->sure = false;
		because(s, "the comment says something else");
	}
}

/* The kind of system that should own the domain, and the only one of that kind. */
static void
choose_system(Suggestion *s, List *systems)
{
	ListCell *k;
	int n = 0;

	foreach(k, s->domain->kinds)
	{
		ListCell *lc;

		foreach(lc, systems)
		{
			System *system = lfirst(lc);

			if (strcmp(system->kind, lfirst(k)) == 0)
			{
				s->kind = system->kind;
				s->system = system->name;
				n++;
			}
		}
		if (n > 0)
			break;
	}
	if (n == 1)
		return;
	s->system = NULL;
	if (n > 1)
		because(s, "%d systems are of kind %s", n, s->kind);
	else if (s->domain->kinds != NIL)
	{
		s->kind = linitial(s->domain->kinds);
		because(s, "no system is of kind %s", s->kind);
	}
}

static System *
find_system(List *systems, const char *name)
{
	ListCell *lc;

	foreach(lc, systems)
		if (name != NULL && strcmp(((System *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/*
 * Does it mark rows as deleted?  A domain whose pattern hits the name, other
 * than by a word that any document has, knows better.
 */
static bool
gather_marks_deletion(Suggestion *s, List *domains)
{
	Domain *name = gather_domain_at(domains, s->name->domain);
	Domain *both = gather_domain_at(domains, s->by_both);

	return s->name->deletes && (name == NULL || !is_business(name)) &&
		   (both == NULL || !is_business(both) || s->doubted);
}

static void
judge_suggestion(Suggestion *s, List *domains, List *systems)
{
	Domain *key = find_domain(domains, KEY);
	System *named = named_system(s, systems);
	System *creator;

	if (s->judged)
		return;
	s->judged = true;
	initStringInfo(&s->reason);
	if (key != NULL && (s->references != NULL || s->primary))
	{
		s->domain = key;
		s->sure = true;
		if (s->references != NULL)
			because(s, "a foreign key to %s", s->references);
		else
			because(s, "part of the primary key");
	}
	else if (s->raw_of != NULL)
	{
		check_stack_depth();
		judge_suggestion(s->raw_of, domains, systems);
		s->domain = s->raw_of->domain;
		s->sure = s->raw_of->sure;
		s->contradicted = s->raw_of->contradicted;
		because(s, "the raw form of %s", s->raw_of->column);
	}
	else if (key != NULL && gather_marks_deletion(s, domains))
	{
		s->domain = key;
		s->sure = true;
		because(s, "who deletes decides which rows exist");
	}
	else if (named != NULL || s->name->foreign)
	{
		if (s->name->domain >= 0 && gather_domain_at(domains, s->name->domain) == key)
			s->domain = key;
		because(s,
				"the column's name holds that of a system: its key there, or a copy of its value");
		if (named != NULL && s->domain != NULL)
		{
			s->kind = named->kind;
			s->system = named->name;
		}
		return;
	}
	else
		weigh_names(s, domains);

	if (s->domain == NULL)
	{
		if (s->reason.len == 0)
			because(s, "nothing says what it is");
		if (s->writers != NULL)
			because(s, "seen writing: %s", s->writers);
		return;
	}
	/* whoever creates a record owns its key; one that was just registered is not seen yet */
	creator = find_system(systems, s->source != NULL  ? s->source
								   : s->name->deletes ? s->table_name->key_owner
													  : s->only_writer);
	if (s->domain == key && creator != NULL)
	{
		s->system = creator->name;
		s->kind = creator->kind;
	}
	else
		choose_system(s, systems);
	/* what a source says of others' data is a copy, or a field of its own */
	if (s->source != NULL && !gather_is_technical(s->domain))
	{
		s->contradicted |= s->system == NULL || strcmp(s->source, s->system) != 0;
		s->sure &= !s->contradicted;
		because(s, "the table is %s's own copy", s->source);
	}
	if (s->writers == NULL)
		return;
	if (s->system != NULL && s->only_writer != NULL && strcmp(s->system, s->only_writer) == 0)
	{
		s->sure |= !s->contradicted;
		because(s, "only %s was seen writing it", s->writers);
	}
	else
	{
		/* what does not cross a boundary may be anybody's */
		if (!gather_is_technical(s->domain))
			s->sure = false;
		because(s, "seen writing: %s", s->writers);
	}
}

/*
 * The proposals for all columns of the tables that match.
 *
 * Errors: nothing matches.
 */
static List *
suggestions(const char *pattern)
{
	Words *words = words_create();
	HASHCTL ctl = {.keysize = MAX_SPELLED,
				   .entrysize = sizeof(ColumnName),
				   .hcxt = CurrentMemoryContext};
	HTAB *names = hash_create("ownership names of columns", 1024, &ctl,
							  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	List *domains;
	List *systems;
	List *columns;
	ListCell *lc;

	/* all words are learnt before names are split by them */
	words_learn(words, gather_foreign_product);
	domains = gather_read_domains(words);
	systems = gather_read_systems(words);
	columns = gather_read_columns(pattern, words, names);
	gather_expected(domains, gather_tables(columns, words));
	gather_names(domains, names);
	gather_columns(domains, columns);
	gather_find_raw(columns);
	foreach(lc, columns)
		judge_suggestion(lfirst(lc), domains, systems);
	return columns;
}

static char *
argument_pattern(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/*
 * suggest(pattern): (relation, column_name, domain, kind, system, sure, reason)
 *
 * Errors: nothing matches.
 */
Datum
ownership_suggest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = argument_pattern(fcinfo);
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, suggestions(pattern))
	{
		Suggestion *s = lfirst(lc);
		Datum values[7];
		bool nulls[7] = {false};

		values[0] = CStringGetTextDatum(names_relation_label(s->schema, s->table));
		values[1] = CStringGetTextDatum(s->column);
		call_put_text(values, nulls, 2, s->domain == NULL ? NULL : s->domain->name);
		call_put_text(values, nulls, 3, s->kind);
		call_put_text(values, nulls, 4, s->system);
		values[5] = BoolGetDatum(s->sure);
		values[6] = CStringGetTextDatum(s->reason.data);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

static void
put_outcome(ReturnSetInfo *rsinfo, Suggestion *s, const char *field, const char *domain,
			const char *owner, const char *outcome, const char *reason)
{
	const char *texts[] = {names_relation_label(s->schema, s->table),
						   s->column,
						   field,
						   domain,
						   owner,
						   outcome,
						   reason};

	call_put_row(rsinfo, lengthof(texts), texts);
}

/*
 * adopt(pattern): puts the columns on the map, with domain and owner where
 * the guide is sure.  What was decided before stays.  Returns what became of
 * each: (relation, column_name, field, domain, owner, outcome, reason).
 *
 * Errors: nothing matches; a matching table that is not the caller's.
 */
Datum
ownership_adopt(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = argument_pattern(fcinfo);
	List *listed = NIL;
	List *fresh = NIL;
	List *relids = NIL;
	List *parts[5] = {NIL, NIL, NIL, NIL, NIL};
	Parameters p = {0};
	ListCell *lc;
	uint64 n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, suggestions(pattern))
	{
		Suggestion *s = lfirst(lc);

		if (s->entity == NULL && !names_can_be_field(s->column))
		{
			put_outcome(rsinfo, s, NULL, NULL, NULL, "left out",
						"its name holds a dot, or blanks around it");
			continue;
		}
		listed = lappend(listed, s);
		if (relids == NIL || llast_oid(relids) != s->relid)
			relids = lappend_oid(relids, s->relid);
		if (s->entity == NULL)
		{
			ColumnSpec *spec = palloc0(sizeof(ColumnSpec));

			spec->schema = s->schema;
			spec->table = s->table;
			spec->column = s->column;
			spec->key = s->primary;
			spec->entity = s->entity = names_default_entity(s->schema, s->table);
			spec->field = s->field = s->column;
			fresh = lappend(fresh, spec);
		}
		parts[0] = lappend(parts[0], s->entity);
		parts[1] = lappend(parts[1], s->field);
		/* "" stands for nothing */
		parts[2] = lappend(parts[2], s->sure ? s->domain->name : "");
		parts[3] =
			lappend(parts[3], unconstify(char *, s->sure && s->system != NULL ? s->system : ""));
		parts[4] = lappend(parts[4], s->sure && strcmp(s->domain->name, TECHNICAL) == 0 ? "t" : "f");
	}
	field_map_columns(fresh);

	for (int i = 0; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	/* a field's copies must agree; what was decided stays */
	n = sql_run("WITH proposal AS (SELECT entity, name, min(domain) AS domain, nullif(min(system), '') AS system, bool_and(local::boolean) AS local "
				"FROM unnest($1, $2, $3, $4, $5) g(entity, name, domain, system, local) "
				"GROUP BY 1, 2 HAVING min(domain) = max(domain) AND min(domain) <> '' AND min(system) = max(system)), "
				"adopted AS (UPDATE ownership.field f SET domain = g.domain, owner = g.system, local = g.local "
				"FROM proposal g WHERE (f.entity, f.name) = (g.entity, g.name) "
				"AND f.owner IS NULL AND NOT f.local AND (f.domain IS NULL OR f.domain = g.domain) "
				"RETURNING f.entity, f.name, f.domain, f.owner, f.local) "
				"SELECT g.entity || '.' || g.name, coalesce(a.domain, f.domain), coalesce(a.owner, f.owner), "
				"CASE WHEN a.owner IS NOT NULL THEN 'adopted' WHEN a.local THEN 'local' "
				"WHEN f.owner IS NOT NULL OR f.local THEN 'decided before' ELSE 'no owner' END "
				"FROM unnest($1, $2) WITH ORDINALITY g(entity, name, i) "
				"JOIN ownership.field f ON (f.entity, f.name) = (g.entity, g.name) "
				"LEFT JOIN adopted a ON (a.entity, a.name) = (g.entity, g.name) ORDER BY g.i",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Suggestion *s = list_nth(listed, i);

		put_outcome(rsinfo, s, sql_result_text(i, 1), sql_result_text(i, 2), sql_result_text(i, 3),
					sql_result_text(i, 4), s->reason.data);
	}
	guard_relations(relids);
	SPI_finish();
	return (Datum) 0;
}
