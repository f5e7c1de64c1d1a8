# The text of money does not depend on lc_monetary, of a session or of whoever
# decides later; and no value that a client can send makes evidence unreadable.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

# locales that this machine may not have
my $locales = PostgreSQL::Test::Utils::tempdir;
my $made = 1;
foreach my $locale ('de_DE', 'ja_JP')
{
	$made &&= system("localedef -i $locale -f UTF-8 $locales/$locale.UTF-8 >/dev/null 2>&1") == 0;
}
$ENV{LOCPATH} = $locales if $made;

my $node = new_node('node', preload => 1);

sub super { return sql($node, 'postgres', $_[0]) }

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE crm_app;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm', role => 'crm_app');
	CREATE TYPE offer AS (price money, unit text);
	CREATE DOMAIN price AS money CHECK (VALUE > '0'::money);
	CREATE TABLE item (id int PRIMARY KEY, a money, b money[], c offer, d price, doc text, own int DEFAULT 0);
	INSERT INTO item VALUES (1, NULL, NULL, NULL, NULL, 'stored');
	GRANT ALL ON item TO crm_app;
	SELECT ownership.assign('item', '{id,a,b,c,d,doc}', 'erp', policy => 'keep'), ownership.assign('item', '{own}', 'crm');
});

SKIP:
{
	skip('no localedef, or no sources of locales', 5) if !$made;

	my $values = q{a = 1234.5::numeric::money, b = ARRAY[(-1)::numeric::money], c = (7.25::numeric::money, 'x'), d = 3::numeric::money};
	my $refused = super("SET lc_monetary = 'de_DE.UTF-8'; SET ROLE crm_app; UPDATE item SET $values; RESET ROLE; SELECT proposed FROM ownership.conflict");
	is($refused, '{"a": "$1,234.50", "b": "{-$1.00}", "c": "($7.25,x)", "d": "$3.00"}', 'money is recorded as in locale C');
	is(super("SET lc_monetary = 'C'; SET ROLE crm_app; UPDATE item SET $values; RESET ROLE; SHOW lc_monetary; SELECT count(*) FROM ownership.conflict"),
		"C\n1", 'another lc_monetary makes no other value');
	super("SET lc_monetary = 'ja_JP.UTF-8'; SELECT ownership.accept(id) FROM ownership.conflict");
	is(super("SET lc_monetary = 'C'; SELECT a, b, c, d FROM item"), '$1,234.50|{-$1.00}|($7.25,x)|$3.00', 'what was refused is what is written, whatever the decider has set');
	super("UPDATE ownership.field SET policy = 'observe' WHERE name = 'a'; SET lc_monetary = 'de_DE.UTF-8'; SET ROLE crm_app; UPDATE item SET a = 9::numeric::money");
	super("SET lc_monetary = 'ja_JP.UTF-8'; SELECT ownership.revert('crm', '-infinity', dry_run => false)");
	is(super("SET lc_monetary = 'C'; SELECT a FROM item"), '$1,234.50', 'and so is what is taken back');
	is(super("SET lc_monetary = 'de_DE.UTF-8'; SELECT ownership.value_text(a), a FROM item"), "\$1,234.50|1.234,50 \x{e2}\x{82}\x{ac}", 'the session\'s own output is as it was');
}

# longer in JSON than in itself: a control character is six characters there,
# and seven in a dump
super('TRUNCATE ownership.conflict');
my ($rc, $out, $err) = $node->psql('postgres', q{SET ROLE crm_app; UPDATE item SET doc = repeat(chr(1), 160000000), own = 1});
is($rc, 3, 'what could not be read any more is not written');
like($err, qr/ERROR:  the values of one row of table "item" are too large for evidence\nDETAIL:  As JSON they take 1120000\d+ bytes, and \d+ bytes is the limit/, 'and it is said why');
is(super('SELECT doc, own FROM item; SELECT count(*) FROM ownership.conflict'), "stored|0\n0", 'nothing of it was done');
($rc, $out, $err) = $node->psql('postgres', q{SET ROLE crm_app; UPDATE item SET doc = repeat('x', 280000000), own = 1});
is($rc, 3, 'so is what jsonb cannot hold');
like($err, qr/54000|too long|exceeds/, 'and it is said why');
# what was written is read, and dumped
super(q{SET ROLE crm_app; UPDATE item SET doc = repeat(chr(1) || '\\', 5000000), own = 2});
is(super(q{SELECT length(proposed ->> 'doc'), length(proposed::text) FROM ownership.conflict}), '10000000|40000011', 'what is written can be read');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-Z', '0', '-f', $dump, '-d', $node->connstr('postgres') ], 'and dumped');
cmp_ok(-s $dump, '>', 50_000_000, 'as a whole');

$node->stop;
done_testing();
