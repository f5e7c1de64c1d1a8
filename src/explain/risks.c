/*
 * risks.c
 *		assert_clean(): a gate for deployments, which fails where a risk of some
 *		severity is open.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_assert_clean);

/* People read the error's detail: further risks are only counted. */
#define RISKS_LISTED 50

/*
 * assert_clean(severity)
 *
 * Errors: assert_failure, where a risk of that severity or a higher one is open;
 * no such severity.
 */
Datum
ownership_assert_clean(PG_FUNCTION_ARGS)
{
	static const char *const severities[] = {"high", "medium", "low"};
	char *severity = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	List *wanted = NIL;
	Parameters p = {0};
	StringInfoData detail;
	uint64 n;
	bool known = false;

	for (int i = 0; i < (int) lengthof(severities) && !known; i++)
	{
		wanted = lappend(wanted, unconstify(char *, severities[i]));
		known = severity != NULL && strcmp(severity, severities[i]) == 0;
	}
	if (!known)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						severity == NULL ? errmsg("the severity must not be null")
										 : errmsg("unknown severity \"%s\"", severity),
						errhint("Severities are high, medium and low.")));

	SPI_connect();
	sql_add_texts(&p, wanted);
	n = sql_run("SELECT severity, risk, detail FROM ownership.risks WHERE severity = ANY ($1)", &p);
	if (n == 0)
	{
		SPI_finish();
		PG_RETURN_VOID();
	}
	initStringInfo(&detail);
	for (uint64 i = 0; i < Min(n, RISKS_LISTED); i++)
		appendStringInfo(&detail, "%s%s, %s: %s", i == 0 ? "" : "\n", sql_result_text(i, 1),
						 sql_result_text(i, 2), sql_result_text(i, 3));
	if (n > RISKS_LISTED)
		appendStringInfo(&detail, "\nand %llu more", (unsigned long long) (n - RISKS_LISTED));
	ereport(ERROR,
			(errcode(ERRCODE_ASSERT_FAILURE),
			 list_length(wanted) == 1
				 ? errmsg_plural("the ownership map has %llu open risk of severity %s",
								 "the ownership map has %llu open risks of severity %s", n,
								 (unsigned long long) n, severity)
				 : errmsg_plural("the ownership map has %llu open risk of severity %s or higher",
								 "the ownership map has %llu open risks of severity %s or higher",
								 n, (unsigned long long) n, severity),
			 errdetail_internal("%s", detail.data),
			 errhint("SELECT * FROM ownership.risks says what to do about each.")));
}
