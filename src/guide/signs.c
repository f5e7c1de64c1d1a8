/*
 * signs.c
 *		Signs of a column's domain: its name, the name of its table, its comment,
 *		its neighbours.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "utils/hsearch.h"

#include "guide.h"

/*
 * Names of products.  A column whose name contains one is a copy of that
 * product's value, or a key of that product.  The same is true of the names of
 * registered systems.
 */
const char sign_foreign_product[] =
	"akeneo|amazon|big_?commerce|dynamics|ebay|face_?book|google|hub_?spot|klaviyo|linked_?in|magento|"
	"mail_?chimp|marketo|net_?suite|odoo|pay_?pal|quick_?books|sage|sales_?force|sap|sfdc|shopify|"
	"stripe|woo_?commerce|xero|zendesk";

/* Columns that mark a row as deleted while the row stays in the table. */
static const char deletion[] =
	"^_*(?:(?:is|was|has_been|marked(?:_as)?|date|time|timestamp|soft|row|record|fivetran|sdc|cdc|"
	"dlt|airbyte|ab)_+)*"
	"(?:(?:deleted|archived|trashed|discarded|purged|tombstoned?)"
	"(?:_(?:at|on|by|date|time|datetime|timestamp|ts|utc|gmt|flag|id|user|uid))*|"
	"(?:deletion|delete|del|archival|archive)_"
	"(?:at|on|by|date|time|datetime|timestamp|ts|flag|mark(?:er)?|indicator|status)|"
	"is_removed|removed_(?:at|on|by|date))$";

/* The beginning of the name of a column with another column's value as it was received. */
#define RAW_PREFIX "raw_"

/* NULL for -1. */
Domain *
sign_domain_at(List *domains, int index)
{
	return index < 0 ? NULL : list_nth(domains, index);
}

bool
sign_is_technical(Domain *domain)
{
	return strcmp(domain->name, TECHNICAL) == 0;
}

static bool
is_business(Domain *domain)
{
	return !sign_is_technical(domain) && strcmp(domain->name, KEY) != 0;
}

/*
 * A GuidedTable for each table of the columns, with the system that owns the
 * key: the owner of the key on the map, else the system that creates the rows
 * (the source, or the only writer).
 */
List *
sign_gather_tables(List *columns, Words *words)
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

/* Sets raw_of: the column of the same table that has the name without the prefix. */
void
sign_find_raw(List *columns)
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

/* Matches the columns' names alone with the domains' patterns. */
void
sign_gather_names(List *domains, HTAB *table)
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
			Domain *said = sign_domain_at(domains, all[i]->domain);

			/* a technical name is also searched for the first business domain */
			names[i] = said == NULL ||
							   (sign_is_technical(said) && all[i]->beside < 0 && is_business(domain))
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
	hit = pattern_hit_names(pattern_words(sign_foreign_product), names, n);
	for (int i = 0; i < n; i++)
		all[i]->foreign = hit[i];
}

/* Matches table.column, and the columns' comments, with the domains' patterns. */
void
sign_gather_columns(List *domains, List *columns)
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
			Domain *alone = sign_domain_at(domains, s[i]->name->domain);

			names[i] = NULL;
			if (!hit[i])
				continue;
			s[i]->by_both = domain->index;
			/*
			 * the name alone marks rows as deleted, or says another business
			 * domain, unless tables of both domains are documents
			 */
			if (!s[i]->name->deletes && (alone == NULL || alone == domain || !is_business(alone) ||
										 (alone->documents && domain->documents)))
				continue;
			s[i]->doubted = domain->column_definite != NULL;
			names[i] = both[i];
		}
		pfree(hit);
		if (domain->column_definite == NULL)
			continue;
		/* a match without {document} counts: the column is the table's own, or a copy in it */
		hit = pattern_hit_names(domain->column_definite, names, n);
		for (int i = 0; i < n; i++)
			if (hit[i])
				s[i]->doubted = false;
		pfree(hit);
	}
}

/* Matches the tables' names with the domains' patterns. */
void
sign_gather_expected(List *domains, List *tables)
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

/*
 * Does the column mark rows as deleted?  Not if the pattern of a business domain
 * matches its name, or matches table.column other than by {document}.
 */
bool
sign_marks_deletion(Suggestion *s, List *domains)
{
	Domain *name = sign_domain_at(domains, s->name->domain);
	Domain *both = sign_domain_at(domains, s->by_both);

	return s->name->deletes && (name == NULL || !is_business(name)) &&
		   (both == NULL || !is_business(both) || s->doubted);
}
