# export('odcs') is valid by the JSON schema of the Open Data Contract Standard, whatever is on the
# map; export('dbt') is JSON with what dbt needs of a source.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use JSON::PP;
use Ownership;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($schema) = grep { defined && -s } $ENV{OWNERSHIP_ODCS}, "$FindBin::RealBin/../tmp_tools/odcs-v3.1.0.json";
my ($python) = grep { -x && system("$_ -c 'import jsonschema' 2>/dev/null") == 0 } '/usr/bin/python3', '/usr/local/bin/python3';
diag('NOT TESTED: export(\'odcs\') by its JSON schema, which is not there (.ci/install-deps optional)') if !$schema;
diag('NOT TESTED: export(\'odcs\') by its JSON schema, because Python has no module jsonschema (.ci/install-deps optional)') if !$python;
my $program = <<'END';
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft201909Validator.check_schema(schema)
for e in jsonschema.Draft201909Validator(schema).iter_errors(json.load(sys.stdin)):
    print(list(e.absolute_path), e.message[:200])
END

# problems(TEXT): what the schema finds in the document
sub problems
{
	my ($text) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $python, '-c', $program, $schema ], '<', \$text, '>', \$out, '2>', \$err) or return "python: $err";
	return $out;
}

my $hub = new_node('hub', preload => 1);
sub super { return sql($hub, 'postgres', $_[0]) }
super('CREATE EXTENSION ownership');

# exported(NAME): both formats are right
sub exported
{
	my ($name, @arguments) = @_;
	my $rest = join '', map { ", '$_'" } @arguments;
	my $odcs = super("SELECT ownership.export('odcs'$rest)");
	my $dbt = super("SELECT ownership.export('dbt'$rest)");
	my $contract = eval { JSON::PP->new->decode($odcs) };
	my $sources = eval { JSON::PP->new->decode($dbt) };

	ok($contract && $sources, "$name: both are JSON") or diag($@);
  SKIP:
	{
		skip 'no schema, or no validator', 1 if !$schema || !$python;
		is(problems($odcs), '', "$name: the contract is valid");
	}
	is($sources->{version}, 2, "$name: the sources' version");
	is(scalar(grep { !defined $_->{name} || ref $_->{tables} ne 'ARRAY' || grep { !defined $_->{name} || ref $_->{columns} ne 'ARRAY' } @{ $_->{tables} } } @{ $sources->{sources} }),
		0, "$name: each source has tables, each table columns");
	my @columns = map { @{ $_->{columns} } } map { @{ $_->{tables} } } @{ $sources->{sources} };
	is(scalar(grep { !defined $_->{meta}{field} } @columns), 0, "$name: each column names its field");
	is(scalar(@columns), scalar(map { @{ $_->{properties} } } @{ $contract->{schema} }), "$name: both have the same columns");
	return ($contract, $sources);
}

exported('an empty map');

super(q{
	SELECT ownership.add_system('erp', 'erp', title => 'The "ERP"'), ownership.add_system('shop', 'storefront'), ownership.add_system('crm', 'crm');
	UPDATE ownership.system SET contact = 'anna@example.com' WHERE name IN ('erp', 'crm');
	CREATE TYPE mood AS ENUM ('good');
	CREATE TYPE pair AS (a int, b text);
	CREATE DOMAIN amount AS numeric CHECK (VALUE > 0);
	CREATE SCHEMA "We ird";
	CREATE TABLE "We ird"."Ta ble.x" ("Id" int PRIMARY KEY, "é""'\ {}:#" text);
	CREATE TABLE wide (id bigint GENERATED ALWAYS AS IDENTITY, a smallint, b int, c bigint, d numeric(10, 2) CHECK (d > 0), e real, f double precision, g money,
		h varchar(10), i char(3), j text, k bytea, l timestamp, m timestamptz, n date, o time, p timetz, q interval, r boolean, s mood, t pair, u point, v inet,
		w uuid, x xml, y json, z jsonb, aa int[], ab int4range, ac amount, ad tsvector, ae bit(3), af name, ag "char", ah oid, ai regclass, aj pg_lsn,
		"key" text NOT NULL UNIQUE, PRIMARY KEY (id, a), CHECK (b < c));
	CREATE TABLE parted (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
	COMMENT ON TABLE wide IS E'Two\nlines, "quoted" \\ and é';
	COMMENT ON COLUMN wide.a IS 'A comment: with # signs - and [brackets]';
	SELECT ownership.assign('wide', NULL, 'erp', readers => '{shop}', writers => '{crm}'), ownership.assign('parted', NULL, NULL);
	SELECT ownership.assign('"We ird"."Ta ble.x"', NULL, 'crm', policy => 'fill', rationale => 'because');
	SELECT ownership.assign('wide', '{h}', 'crm', domain => 'content', label => 'A "label"', rationale => 'why' || chr(10) || 'not');
	SELECT ownership.assign_rows('wide', '{j}', 'shop', 'b > 1'), ownership.assign_rows('wide', '{j}', NULL, 'b < 0');
	UPDATE ownership.field SET sensitive = true, fresh_within = '1 month 3 days 04:05:06.7' WHERE name = 'j';
	UPDATE ownership.field SET on_blank = 'reject', fresh_within = '90 minutes', column_group = 'g', decided_on = '2026-11-30', decided_by = 'Anna' WHERE entity = 'wide' AND name IN ('b', 'c');
	CREATE SCHEMA copy;
	CREATE TABLE copy.wide (id int PRIMARY KEY, j text);
	SELECT ownership.add_tables('copy.*', 'shop');
	SELECT ownership.link('wide.j', '{copy.wide.j}');
	INSERT INTO ownership.field (entity, name, local) VALUES ('wide', 'nowhere', true);
});
my ($contract) = exported('a map of everything');
exported('one entity', 'parted');
exported('a pattern', 'w*');

# all columns are there, with their systems of record
my %owner;
foreach my $object (@{ $contract->{schema} })
{
	foreach my $property (@{ $object->{properties} })
	{
		my ($value) = map { $_->{value} } grep { $_->{property} eq 'systemOfRecord' } @{ $property->{customProperties} };
		$owner{"$object->{name}|$property->{name}"} = $value // '-';
	}
}
is(join("\n", sort map { "$_|$owner{$_}" } keys %owner),
	join("\n", sort split /\n/, super(q{SELECT concat_ws('|', relation, column_name, coalesce(owner, '-')) FROM ownership.map})),
	'each mirrored column, with its system of record');

# tables that are gone stay on the map
super('SET ownership.enforcement = off; DROP TABLE wide CASCADE');
exported('a map whose table is gone');

# the schema refuses what is wrong
SKIP:
{
	skip 'no schema, or no validator', 2 if !$schema || !$python;
	like(problems('{"kind": "DataContract"}'), qr/'version' is a required property/, 'something is missing');
	my $odcs = super("SELECT jsonb_set(ownership.export('odcs')::jsonb, '{schema,0,system_of_record}', '1')");
	like(problems($odcs), qr/system_of_record/, 'something is there that the standard does not know');
}

done_testing();
