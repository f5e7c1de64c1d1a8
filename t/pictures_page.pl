# What diagram() and page() write is taken by what it is written for:
# Graphviz, Mermaid and a browser, whatever the names on the map are.  What is
# not installed here is left out, and said so.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('page', preload => 1, activity => 1);
my $dir = PostgreSQL::Test::Utils::tempdir();
$ENV{PGCLIENTENCODING} = 'UTF8';

sub which
{
	foreach my $name (@_)
	{
		foreach my $path (split /:/, $ENV{PATH})
		{
			return "$path/$name" if -x "$path/$name";
		}
	}
	return;
}

sub loudly { diag("NOT TESTED: $_[0]") }

# psql writes the file, as doc/how-to/publish-a-page.md says
sub write_out
{
	my ($db, $query, $file, @options) = @_;
	$node->command_ok([ 'psql', '-XAtq', @options, '-d', $db, '-o', "$dir/$file", '-c', $query ], "$file is written");
	my $text = slurp_file("$dir/$file");
	utf8::decode($text);
	return $text;
}

#
# Names that would be markup, if they were not escaped; of right-to-left
# scripts; as long as they get; and values of that kind as evidence.
#
my $long = 'ein_überaus_langer_name_der_gerade_noch_in_sechzig_byte_passt';
my @hostile = (q{<script>document.title='taken'</script>}, q{"><img src=x onerror=alert(1)>}, q{' onload='x}, '&lt;b&gt;&amp;', 'שם השדה', 'اسم الحقل',
	"\x{202e}desrever", '1. list', '`code` *b* _i_', '<!--', ']]>', '%n \\N \\"', '-->|x| e1["y"]', '</bdi></td></table>', $long, '商品名称');
sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

sql($node, 'postgres', 'CREATE DATABASE hub');
{
	my $sql = "CREATE EXTENSION ownership;\n";
	my $n = 0;
	foreach my $name (@hostile)
	{
		my $system = $name =~ s/[;"]//gr;
		my $column = substr($name, 0, 40) =~ s/\./ /gr;
		$system =~ s/^\s+|\s+$//g;
		$column =~ s/^\s+|\s+$//g;
		my $identifier = $column =~ s/"/""/gr;
		$sql .= qq{CREATE TABLE "t$n $identifier" ("$identifier" text PRIMARY KEY, "b $identifier" text, "c" text);
			CREATE ROLE "r$n $identifier";
			INSERT INTO ownership.system VALUES (@{[literal($system)]}, @{[literal($name)]}, @{[literal($name)]}, @{[literal($name)]}, @{[literal($name)]});
			INSERT INTO ownership.identity (kind, name, system) VALUES ('role', @{[literal("r$n $column")]}, @{[literal($system)]});
			INSERT INTO ownership.mirrored_table VALUES ('public', @{[literal("t$n $column")]}, NULL);
			INSERT INTO ownership.field (entity, name, owner, key, rationale, label) VALUES (@{[literal($name)]}, @{[literal($column)]}, @{[literal($system)]}, true, @{[literal($name)]}, @{[literal("label $n, $name")]});
			INSERT INTO ownership.field (entity, name) VALUES (@{[literal($name)]}, @{[literal("b $column")]});
			INSERT INTO ownership.mirrored_column VALUES ('public', @{[literal("t$n $column")]}, @{[literal($column)]}, @{[literal($name)]}, @{[literal($column)]}),
				('public', @{[literal("t$n $column")]}, @{[literal("b $column")]}, @{[literal($name)]}, @{[literal("b $column")]});
			INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, application_name, outcome, columns, stored, proposed)
			VALUES ('public', @{[literal("t$n $column")]}, jsonb_build_object(@{[literal($name)]}, @{[literal($name)]}), 'UPDATE', @{[literal($system)]}, @{[literal($name)]}, @{[literal($name)]}, 'kept',
				ARRAY[@{[literal($column)]}]::name[], jsonb_build_object(@{[literal($column)]}, @{[literal($name)]}), jsonb_build_object(@{[literal($column)]}, repeat(@{[literal($name)]}, 20)));
			INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes, kept, first_seen, last_read, last_write)
			VALUES ('public', @{[literal("t$n $column")]}, @{[literal($column)]}, 'crm', 1, 1, 1, now() - interval '3 days', now(), now() - interval '1 hour'),
				('public', @{[literal("t$n $column")]}, @{[literal("b $column")]}, NULL, 1, 1, 0, now(), now(), now());\n};
		$n++;
	}
	$sql =~ s/CREATE EXTENSION ownership;/$& INSERT INTO ownership.system (name) VALUES ('crm');/;
	$sql .= "INSERT INTO ownership.declared_access SELECT entity, name, 'crm', 'read' FROM ownership.field;";
	utf8::encode($sql);
	my $file = "$dir/hostile.sql";
	append_to_file($file, $sql);
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'hub', '-f', $file ], 'a map of hostile names');
}
my $systems = @hostile + 2;    # and the CRM, and who is unidentified
my $entities = @hostile;

#
# The page as text.
#
my $page = write_out('hub', 'SELECT ownership.page()', 'page.html');
my $head = $page =~ s/^(.*?<\/head>)//s ? $1 : '';
# sentences about a text too long to be shown
sub lacks { my ($text, $what, $name) = @_; ok($text !~ $what, $name) or diag(substr($text, $-[0] < 80 ? 0 : $-[0] - 80, 240)) }
sub has { my ($text, $what, $name) = @_; ok($text =~ $what, $name) }

my %tags = map { $_ => 1 } $page =~ /<\/?([a-z0-9!]+)/gi;
is(join(' ', sort keys %tags), 'a b bdi body caption code dd desc details div dl dt em footer g h1 h2 h3 header html li main nav ol p path rect section small span summary svg table tbody td text th thead time title tr ul',
	'nothing of the names is markup');
my (%attributes, @links);
while ($page =~ /<\w+((?:\s+[\w:-]+(?:="[^"]*"|=\w+)?)+)\s*\/?>/g)
{
	my $attributes = $1;
	while ($attributes =~ /([\w:-]+)(?:="([^"]*)"|=(\w+))?/g)
	{
		$attributes{$1} = 1;
		push @links, $2 if $1 eq 'href';
	}
}
is(join(' ', sort keys %attributes), 'aria-label aria-labelledby class d height href id open role rx scope tabindex viewBox width x xmlns y', 'nor an attribute');
is(scalar(grep { !/^#\w+$/ } @links), 0, 'links go within the page');
lacks($head, qr/url\s*\(|\@import|<link|<base/i, 'it asks for nothing from elsewhere');
has($head, qr/default-src 'none'; style-src 'unsafe-inline'/, 'and would not get it');
is(scalar(() = $page =~ /<$_[\s>]/g), scalar(() = $page =~ /<\/$_>/g), "every <$_> is closed")
  foreach qw(section table thead tbody div details summary ul bdi svg g h2 p dl nav main);
is(scalar(() = $page =~ /[\x00-\x08\x0b-\x1f]/g), 0, 'no control characters');
has($page, qr/\Q&lt;script&gt;document.title=&#39;taken&#39;&lt;\/script&gt;\E/, 'a name is shown as it is');
has($page, qr/<bdi>label 0, &lt;script&gt;[^<]*<\/bdi> <small><bdi>&lt;script&gt;/, 'beside the name that people use');
# but for times and ages
sub timeless { return $_[0] =~ s/<time>[^<]*<\/time>|\d+ (?:min|hours|days) ago|just now//gr }
ok(timeless(write_out('hub', 'SELECT ownership.page()', 'again.html')) eq timeless($head . $page), 'and twice the same');

# What is looked up to answer a question is no system's reading.
sql($node, 'postgres', 'CREATE DATABASE looks');
sql($node, 'looks', q{
	CREATE EXTENSION ownership;
	CREATE TABLE item (sku text PRIMARY KEY, price numeric);
	CREATE TABLE product (sku text PRIMARY KEY, price numeric);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
	SELECT ownership.add_tables('item', source => 'erp'), ownership.assign('product', NULL, 'erp');
	SELECT ownership.link('item.price', '{item.price,product.price}', authoritative => 'item.price'), ownership.link('item.sku', '{item.sku,product.sku}');
	UPDATE ownership.field SET policy = 'keep';
	SET ownership.system = 'erp';
	INSERT INTO item VALUES ('A', 1);
	INSERT INTO product VALUES ('A', 2);
	SET ownership.system = 'crm';
	UPDATE product SET price = 3});
is(sql($node, 'looks', q{
	SELECT ownership.flush();
	SELECT row_key, copy_value FROM ownership.drift('item.price');
	SELECT risk FROM ownership.risks WHERE risk = 'drifting';
	SELECT refused FROM ownership.disagreements;
	SELECT count(*) > 0 FROM ownership.why('item.price', '{"sku": "A"}');
	SELECT length(ownership.page()) > 0}), qq(\n{"sku": "A"}|2\ndrifting\n3\nt\nt), 'questions are answered');
is(sql($node, 'looks', q{SELECT ownership.flush(); SELECT count(*) FROM ownership.activity WHERE reads > 0 AND system IS NULL}), "\n0", 'and leave no reads');
is(sql($node, 'looks', q{SELECT price FROM product; SELECT ownership.flush(); SELECT column_name FROM ownership.activity WHERE reads > 0 AND system IS NULL}), "2\n\nprice",
	'as a look of somebody unidentified does');

# A source owns its landing tables by default, which is no decision.
sql($node, 'postgres', 'CREATE DATABASE landing');
sql($node, 'landing', q{
	CREATE EXTENSION ownership;
	CREATE SCHEMA erp;
	CREATE TABLE erp.item (sku text PRIMARY KEY, price numeric, title text, loaded_at timestamptz);
	CREATE TABLE erp.rest (id int PRIMARY KEY);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_tables('erp.*', source => 'erp');
	UPDATE ownership.field SET local = true WHERE name = 'loaded_at'});
my $undecided = write_out('landing', 'SELECT ownership.page()', 'landing.html');
has($undecided, qr/<div class="fair"><dt>Fields with a decided owner<\/dt><dd>0 %<small>4 of 4 are owned by default, by the source of their tables</, 'the head tells default owners');
has($undecided, qr/2 entities, 4 fields; owners: <bdi>erp<\/bdi> 4 \(by default\)</, 'a landing schema does, too');
has(write_out('landing', q{SELECT ownership.page(entity => 'erp.item')}, 'landing.html'), qr/<td class="o"><bdi>erp<\/bdi> <small>by default<\/small>/, 'and each field');
sql($node, 'landing', q{UPDATE ownership.field SET decided_by = 'the workshop' WHERE name = 'price';
	UPDATE ownership.field SET owner = NULL WHERE name = 'title'});
$undecided = write_out('landing', 'SELECT ownership.page()', 'landing.html');
has($undecided, qr/<div class="bad"><dt>Fields with a decided owner<\/dt><dd>25 %<small>1 of 4 have no system of record; 2 of 4 are owned by default, by the source of their tables</, 'from decided ones');
has($undecided, qr/4 fields; owners: <bdi>erp<\/bdi> 3 \(2 by default\)<\/span> <span class="badge high">1 without owner<\/span> <span class="badge medium">1 to decide</, 'also where a schema has both');
sql($node, 'landing', q{UPDATE ownership.field SET owner = 'erp', rationale = 'as agreed'});
has(write_out('landing', 'SELECT ownership.page()', 'landing.html'), qr/<div class="good"><dt>Fields with a decided owner<\/dt><dd>100 %<small>every field has one system of record</, 'where all are decided, so it says');

# grants() too: what it prints works for a role that connects
sql($node, 'hub', q{
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	INSERT INTO product VALUES ('A', 1, 'x');
	CREATE ROLE erp_app LOGIN;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app');
	SELECT ownership.assign('product', '{price}', 'erp'), ownership.assign('product', '{title}', 'crm')});
{
	my $grants = write_out('hub', 'SELECT ownership.grants()', 'grants.sql');
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'hub', '-f', "$dir/grants.sql" ], 'the grants run');
	is(psql_as($node, 'hub', 'erp_app', q{UPDATE product SET price = 2 WHERE sku = 'A' RETURNING price}), '2', 'the owner may write its column');
	like(error_as($node, 'hub', 'erp_app', q{UPDATE product SET title = 'y'}), qr/42501: permission denied/, 'and no other');
	like(error_as($node, 'hub', 'erp_app', q{SELECT title FROM product}), qr/42501: permission denied/, 'nor read it');
	sql($node, 'hub', q{DELETE FROM ownership.mirrored_table WHERE table_name = 'product'; DELETE FROM ownership.field WHERE entity = 'product';
		DELETE FROM ownership.identity WHERE name = 'erp_app'; DELETE FROM ownership.system WHERE name = 'erp'});
}

#
# Graphviz
#
my $dot = write_out('hub', q{SELECT ownership.diagram('dot')}, 'map.dot');
SKIP:
{
	my $program = which('dot');
	loudly('the DOT of diagram(), for there is no Graphviz'), skip('no Graphviz', 1) if !$program;

	my ($out, $err);
	IPC::Run::run([ $program, '-Tsvg', "$dir/map.dot" ], '>', \$out, '2>', \$err);
	utf8::decode($out);
	is($err, '', 'Graphviz has nothing to say');
	is(scalar(() = $out =~ /class="node"/g), $systems + $entities, 'it draws every system and entity');
	is(scalar(() = $out =~ /class="edge"/g), scalar(() = $dot =~ /^  \w+ -> /mg), 'and every line');
	has($out, qr/&lt;script&gt;document.title=(?:'|&#39;)taken(?:'|&#39;)&lt;\/script&gt;/, 'a name is shown as it is');
	has($out, qr/&amp;lt;b&amp;gt;&amp;amp;/, 'entities in a name, too');
	has($out, qr/%n \\N \\&quot;/, 'and escapes');
}

#
# A browser
#
my $mermaid = write_out('hub', 'SELECT ownership.diagram()', 'map.mmd');
my $browser = $ENV{OWNERSHIP_BROWSER} || which(qw(chromium chromium-browser google-chrome));
my $profiles = 0;

# browse(FILE, OPTION ...)   what the browser prints
sub browse
{
	my ($file, @options) = @_;
	my ($out, $err);
	$profiles++;
	local $ENV{HOME} = $dir;
	IPC::Run::run([ $browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
			'--hide-scrollbars', '--allow-file-access-from-files', "--user-data-dir=$dir/profile$profiles",
			@options, "file://$dir/$file" ],
		'>', \$out, '2>', \$err, IPC::Run::timeout(120));
	utf8::decode($out);
	return $out;
}

# a copy of the page with a script that looks for what is wrong; without what forbids it
sub probed
{
	my ($file, $text) = @_;
	my $probe = slurp_file("$FindBin::RealBin/lib/page_probe.js");
	$text =~ s/<meta http-equiv="Content-Security-Policy"[^>]*>//;
	$text =~ s/<\/body>/<script id="probe">$probe<\/script><\/body>/;
	utf8::encode($text);
	append_to_file("$dir/$file", $text);
}

# what it says on a phone: in a frame, for a window is never that small
sub on_phone
{
	my ($file, @options) = @_;
	append_to_file("$dir/phone_$file", qq{<!DOCTYPE html><iframe src="$file" width="390" height="800" style="border:0"></iframe>}
		. '<pre id="phone"></pre><script>onload=function(){document.getElementById("phone").textContent=frames[0].document.getElementById("probe-result").textContent}</script>');
	my ($result) = browse("phone_$file", @options, '--dump-dom') =~ /<pre id="phone">(.*?)<\/pre>/s;
	return $result;
}

SKIP:
{
	loudly('the page, for there is no browser (Chromium)'), skip('no browser', 1) if !$browser;

	my $dom = browse('page.html', '--dump-dom');
	has($dom, qr/<title>Who owns which data: hub<\/title>/, 'no name has run as a script');
	is(scalar(() = $dom =~ /<h2 /g), 13, 'with all its sections');
	is(scalar(() = $dom =~ /<table class="fields"/g), $entities, 'and entities');

	probed('probed.html', $head . $page);
	foreach my $how ([ 'light', 1280 ], [ 'dark', 1280, '--blink-settings=preferredColorScheme=0' ], [ 'light', 500 ])
	{
		my ($mode, $width, @options) = @$how;
		$dom = browse('probed.html', "--window-size=$width,900", @options, '--dump-dom');
		my ($result) = $dom =~ /<pre id="probe-result">(.*?)<\/pre>/s;
		like($result // 'no result', qr/^probed \d+ elements, \d+ tables, $mode, width $width, height \d+, cards at \d+, wrong: nothing$/, "$mode, $width wide: nothing is wrong");
	}

	like(on_phone('probed.html'), qr/^probed \d+ elements, \d+ tables, light, width 390, height \d+, cards at \d+, wrong: nothing$/, 'on a phone, too');

	browse('page.html', "--screenshot=$dir/page.png", '--window-size=1280,1600');
	has(slurp_file("$dir/page.png"), qr/^\x89PNG/, 'it can be looked at');
	browse('page.html', "--print-to-pdf=$dir/page.pdf");
	has(slurp_file("$dir/page.pdf"), qr/^%PDF/, 'and printed');
}

SKIP:
{
	my $library = $ENV{OWNERSHIP_MERMAID} // '';
	loudly('the Mermaid of diagram(), for there is no browser (Chromium)'), skip('no browser', 1) if !$browser;
	loudly('the Mermaid of diagram(), for there is no Mermaid (npm)'), skip('no Mermaid', 1) if !-r $library;

	my $source = $mermaid =~ s/&/&amp;/gr =~ s/</&lt;/gr;
	my $html = <<"END";
<!DOCTYPE html><meta charset="utf-8"><title>nothing</title><pre id="source">$source</pre><div id="drawn"></div>
<script src="mermaid.js"></script><script>
mermaid.initialize({startOnLoad: false, maxEdges: 5000});
mermaid.parse('flowchart LR\\n  a["b"c"]').then(() => 'taken', () => 'refused').then(broken => {
	const source = document.getElementById('source').textContent;
	return mermaid.parse(source).then(() => mermaid.render('map', source)).then(drawn => {
		document.getElementById('drawn').innerHTML = drawn.svg;
		document.title = 'drawn; what is broken is ' + broken;
	});
}).catch(error => { document.title = 'failed: ' + error; });
</script>
END
	utf8::encode($html);
	append_to_file("$dir/mermaid.html", $html);
	append_to_file("$dir/mermaid.js", slurp_file($library));
	my $dom = browse('mermaid.html', '--virtual-time-budget=20000', '--dump-dom');
	my ($title) = $dom =~ /<title>(.*?)<\/title>/;
	is($title, 'drawn; what is broken is refused', 'Mermaid parses and draws it');
	my ($drawn) = $dom =~ /<div id="drawn">(.*?)<script/s;
	is(scalar(() = $drawn =~ /class="node /g), $systems + $entities, 'every system and entity');
	has($drawn, qr/&lt;script&gt;document.title='taken'&lt;\/script&gt;/, 'a name is shown as it is');
	lacks($drawn, qr/<script|<img/, 'and is not markup');
	has($drawn, qr/1\. list/, 'nor a list');
	has($drawn, qr/`code` \*b\* _i_/, 'nor Markdown');
}

#
# Large maps: 5,000 fields.
#
sql($node, 'postgres', 'CREATE DATABASE big');
sql($node, 'big', q{
	CREATE EXTENSION ownership;
	INSERT INTO ownership.system SELECT 'system ' || i, 'other' FROM generate_series(1, 8) i;
	INSERT INTO ownership.field (entity, name, owner)
		SELECT format('s%s.t%s', i % 5, i % 200), 'f' || i, CASE WHEN i % 25 > 0 THEN 'system ' || 1 + i % 5 END FROM generate_series(1, 5000) i;
	INSERT INTO ownership.declared_access SELECT entity, name, 'system ' || s, 'read' FROM ownership.field, generate_series(6, 7) s;
	INSERT INTO ownership.declared_access SELECT entity, name, 'system 8', 'write' FROM ownership.field WHERE name LIKE '%7';
	INSERT INTO ownership.mirrored_column SELECT split_part(entity, '.', 1), split_part(entity, '.', 2), name, entity, name FROM ownership.field;
	INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes, first_seen, last_read, last_write)
		SELECT table_schema, table_name, column_name, 'system ' || s, 5, 5 * (s % 2), now(), now(), now() FROM ownership.mirrored_column, generate_series(1, 2) s});
my $big = write_out('big', 'SELECT ownership.page()', 'big.html');
is(scalar(() = $big =~ /<tr><th scope="row">[^\n]*<td class="[oi]">/g), 1000, 'the first of them are in it');
has($big, qr/<p>4000 more fields of 160 entities are in /, 'and how many are left out');
is(scalar(() = $big =~ /<g class="entity/g), 5, 'the picture is of schemas');
is(scalar(() = $big =~ /<li id="decide\d+">/g), 10, 'ten fields are to be decided first');
cmp_ok(length $big, '<', 1_000_000, 'it is no huge file');
sql($node, 'big', q{INSERT INTO ownership.mirrored_table (table_schema, table_name, source) SELECT 'land', 't' || i, 'system 1' FROM generate_series(1, 300) i;
	INSERT INTO ownership.field (entity, name, owner) SELECT format('land.t%s', i % 300), 'f' || i, 'system 1' FROM generate_series(1, 3000) i;
	UPDATE ownership.field SET entity = 'land.t300' WHERE entity = 'land.t0';
	INSERT INTO ownership.mirrored_column SELECT 'land', split_part(entity, '.', 2), name, entity, name FROM ownership.field WHERE entity LIKE 'land.%'});
has(write_out('big', 'SELECT ownership.page()', 'bigger.html'), qr/<b><bdi>land<\/bdi><\/b><span class="quiet">copy of <bdi>system 1<\/bdi>: 300 entities, 3000 fields; owners: <bdi>system 1<\/bdi> 3000 \(by default\)/,
	'landing tables are one line');

#
# A map as a company has it.
#
sql($node, 'postgres', 'CREATE DATABASE trial');
$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', 'trial', '-f', "$FindBin::RealBin/data/page/trial.sql" ], 'the map of a trial');
# all of it three days ago
sql($node, 'trial', q{UPDATE ownership.conflict SET recorded_at = now() - interval '3 days 1 hour';
	UPDATE ownership.activity SET first_seen = now() - interval '5 days', last_read = last_read - interval '3 days 1 hour', last_write = last_write - interval '3 days 1 hour'});
my $trial = write_out('trial', 'SELECT ownership.page()', 'trial.html');
sub section_of { my ($text, $id) = @_; return $text =~ /<section aria-labelledby="$id">(.*?)<\/section>/s ? $1 : '' }
sub plain { return $_[0] =~ s/<[^>]*>//gr =~ s/\s+/ /gr }
my $decide = section_of($trial, 'decide');
my %cards = map { /id="decide(\d+)">(.*)$/s ? ($1 => plain($2)) : () } split /(?=<li id="decide)/, $decide;
is(scalar keys %cards, 10, 'ten cards');
my @titles = $decide =~ /<h3>(.*?)<\/h3>/g;
is(scalar @titles, 10, 'each with a title');
is(scalar keys %{ { map { $_ => 1 } @titles } }, 10, 'of one field');
my ($name) = grep { /customer\.name/ } values %cards;
like($name, qr/^high Name customer\.nameHubSpot and Shopify both write it\. HubSpot owns it\. /, 'a card is in plain words, with the label');
like($name, qr/WritesHubSpot 1 time, last 3 days ago; Shopify refused 11, last 3 days ago|WritesShopify refused 11, last 3 days ago; HubSpot 1 time, last 3 days ago/, 'who, how often, and when');
like($name, qr/Since3 days ago \(\d{4}-/, 'since when: by the evidence, not since the system was seen reading');
like($name, qr/ExampleRow email \(not shown\): Shopify was refused Shop name; stored is Person \d+\./, 'an example');
like($name, qr/GuideBy its name, this is/, 'what the guide says');
like($name, qr/ReadersLooker, /, 'and who reads it');
my ($stock) = grep { /product\.stock/ } values %cards;
like($stock, qr/NetSuite and ShipStation both write it\. Nobody owns it\./, 'one without owner');
like($stock, qr/GuideStock belongs in/, 'with its domain');
my ($phone) = grep { /customer\.phone/ } values %cards;
like($phone, qr/a value\. It is not shown, because the field is sensitive\./, 'a sensitive field has an example without a value');
unlike($decide, qr/SELECT|UPDATE|ownership\./, 'there is no SQL in them');
lacks($trial, qr/9999|8888|0123-|person\d+\@example/, 'no value of a sensitive field is anywhere on the page');
has($trial, qr/Shop title/, 'others are');

has(section_of($trial, 'contacts'), qr/<summary>For <bdi>Anna<\/bdi>, <bdi>Akeneo PIM<\/bdi>: <b>\d+<\/b>/, 'by contact');
has(section_of($trial, 'contacts'), qr/<summary>For <bdi>Zendesk<\/bdi> \(no contact is on the map\): <b>\d+/, 'or by system');
has(section_of($trial, 'contacts'), qr/zendesk\.channel/, 'an unowned field of a landing table is for its source');
is(scalar(() = section_of($trial, 'landing') =~ /<details>/g), 6, 'one line a landing schema');
my $fields = section_of($trial, 'fields');
is(scalar(() = $fields =~ /<details open>/g), 6, 'shared tables and linked fields are open');
has($fields, qr/<bdi>updated_at<\/bdi> local <\/small><\/th>.*?<td class="quiet"><\/td><\/tr>/, 'a local field has no policy');
has($fields, qr/<bdi>number<\/bdi> <small>key 2 copies /, 'a linked field tells its copies');
my $disagreements = section_of($trial, 'disagreements');
has($disagreements, qr/<bdi>product<\/bdi><\/th><td><bdi>akeneo<\/bdi><\/td><td><bdi>shopify<\/bdi>/, 'a refused creation names the owner of the key');
has(section_of($trial, 'conflicts'), qr/<bdi>a steward<\/bdi><\/th><td><bdi>overridden<\/bdi>/, 'a steward is not unidentified');
has(section_of($trial, 'age'), qr/<bdi>a steward, hubspot, shopify, zendesk<\/bdi>/, 'nor in the traffic');
has(section_of($trial, 'age'), qr/<bdi>product<\/bdi><\/th>.*?<td><bdi>3 days ago<\/bdi>/, 'ages agree');
is(scalar(() = $trial =~ /(?:min|hours) ago|just now/g), 0, 'all of them');
unlike($trial =~ s/<section aria-labelledby="administrator">.*?<\/section>//sr, qr/SELECT(?! ownership\.page)|UPDATE ownership|GRANT/, 'statements are for the administrator only');
has(section_of($trial, 'administrator'), qr/<details><summary>What needs an account in the database: \d+ finding/, 'in a part of their own');
is(scalar(() = $trial =~ /&hellip;<\/text>/g), 0, 'no label of the picture is cut');

SKIP:
{
	loudly('how long the page is, for there is no browser (Chromium)'), skip('no browser', 1) if !$browser;

	probed('trial_probed.html', $trial);
	foreach my $mode ([ 'light', ], [ 'dark', '--blink-settings=preferredColorScheme=0' ])
	{
		my ($result) = browse('trial_probed.html', '--window-size=1280,900', @$mode[ 1 .. $#$mode ], '--dump-dom') =~ /<pre id="probe-result">(.*?)<\/pre>/s;
		my ($height, $cards) = ($result // '') =~ /$mode->[0], width 1280, height (\d+), cards at (\d+), wrong: nothing$/;
		cmp_ok($height // 99999, '<=', 8 * 900, "$mode->[0]: eight screens") or diag($result // 'no result');
		cmp_ok($cards // 99999, '<', 450, "$mode->[0]: what to decide is on the first");
	}
	like(on_phone('trial_probed.html'), qr/width 390, height \d+, cards at \d+, wrong: nothing$/, 'on a phone nothing is wrong');
}

# A page about less.
my $item = write_out('trial', q{SELECT ownership.page(entity => 'netsuite.item')}, 'item.html');
is(scalar(() = section_of($item, 'fields') =~ /<tr><th scope="row">/g), 15, 'an entity is shown field by field');
has($item, qr/<b>This page is only about entity <bdi>netsuite\.item<\/bdi>\.<\/b>/, 'the page says so');
lacks($item, qr/customer\.name|Shop title/, 'without others');
is(scalar(() = $item =~ /<h2 id="landing"/g), 0, 'nor links to what is left out');
is(scalar(() = $item =~ /#landing/g), 0, 'at all');
my $anna = write_out('trial', q{SELECT ownership.page(contact => 'Anna')}, 'anna.html');
has($anna, qr/This page is only about the systems of <bdi>Anna<\/bdi>/, 'the page of a contact');
is(scalar(() = section_of($anna, 'contacts') =~ /<summary>For/g), 1, 'lists what she is asked');
has(section_of($anna, 'fields'), qr/product\b/, 'with the data of her system');
lacks(section_of($anna, 'fields'), qr/price_list|orders/, 'and no other');
is(scalar(() = section_of($anna, 'systems') =~ /<tr>/g), 2, 'and her system');
is(timeless(write_out('trial', q{SELECT ownership.page(system => 'akeneo')}, 'akeneo.html')) =~ s/system <bdi>akeneo<\/bdi>/the systems of <bdi>Anna<\/bdi>/r, timeless($anna), 'by system it is the same');
has(write_out('trial', q{SELECT ownership.page('product', 'shopify', 'Ben')}, 'ben.html'), qr/only about entity <bdi>product<\/bdi>, system <bdi>shopify<\/bdi>, the systems of <bdi>Ben<\/bdi>\./, 'all of them at once');
has(write_out('trial', q{SELECT ownership.page(entity => 'price_*')}, 'price.html'), qr/1 entities, 5 fields/, 'a pattern, in which _ is itself');
ok(timeless(write_out('trial', q{SELECT ownership.page('*', NULL, NULL)}, 'all.html')) eq timeless($trial), 'NULL and * are everything');
foreach ([ q{entity => 'produkt'}, qr/42704: no entity on the map matches "produkt"\nHINT:  Perhaps you meant "product"/ ], [ q{system => 'akene'}, qr/42704: system "akene" does not exist\nHINT:  Perhaps you meant "akeneo"/ ],
	[ q{contact => 'Ana'}, qr/42704: no system has the contact "Ana"\nHINT:  Perhaps you meant "Anna"/ ], [ q{system => 'akeneo', contact => 'Ben'}, qr/42704: the contact of system "akeneo" is not "Ben"/ ])
{
	like(error_as($node, 'trial', 'postgres', "SELECT ownership.page($_->[0])"), $_->[1], "an error: $_->[0]");
}

# Who writes a field, and who only has to do with it; what is asked of whom; what nobody owns.
sql($node, 'postgres', 'CREATE DATABASE films');
sql($node, 'films', q{
	CREATE EXTENSION ownership;
	CREATE SCHEMA shopify;
	CREATE TABLE actor (actor_id int PRIMARY KEY, nick text, "first_name" text);
	CREATE TABLE film (film_id int PRIMARY KEY, title text, rate numeric, color text, mood text, secret_code text, pin text, lost text);
	CREATE TABLE shopify.film (id int PRIMARY KEY, title text, price numeric);
	INSERT INTO actor VALUES (1, 'Ad', 'Ada');
	INSERT INTO film VALUES (1, 'AFRICAN EGG', 2.99, 'red', NULL, 'sesame', '4711', ' ');
	INSERT INTO shopify.film VALUES (1, 'AFRICAN EGG', 3.99);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'), ownership.add_system('pim', 'pim'), ownership.add_system('shop', 'storefront');
	SELECT ownership.assign('film', NULL, NULL), ownership.assign('actor', NULL, NULL), ownership.add_tables('shopify.*', source => 'shop');
	SELECT ownership.link('film.film_id', '{film.film_id,shopify.film.id}'), ownership.link('film.rate', '{film.rate,shopify.film.price}'), ownership.link('film.title', '{film.title,shopify.film.title}');
	UPDATE ownership.field SET sensitive = true WHERE name = 'pin'});
my $films = write_out('films', 'SELECT ownership.page()', 'films.html');
%cards = map { /id="decide(\d+)">(.*)$/s ? ($1 => plain($2)) : () } split /(?=<li id="decide)/, section_of($films, 'decide');
like($cards{3}, qr/^high film\.title/, 'what several tables contain comes first');
like($cards{3}, qr/ExampleIt contains AFRICAN EGG/, 'an example is what a field without owner contains') or diag(join "\n", %cards);
is(join(' ', sort map { /^high film\.(\w+?)Nobody.*It contains/ ? $1 : () } values %cards), 'color film_id rate title', 'but not of one that is sensitive, secret or blank');
lacks($films, qr/sesame|4711|\bAda\b/, 'nor about a person');
like(plain(section_of($films, 'fields')), qr/mood decidenobodygo through/, 'what nobody owns everyone may write');
like(section_of($films, 'contacts'), qr/<summary>For nobody yet: <b>11</, 'a source is not asked about what a shared table contains');
sql($node, 'films', q{
	UPDATE ownership.field SET owner = 'pim' WHERE entity = 'film' AND name IN ('title', 'film_id');
	UPDATE ownership.field SET owner = 'erp' WHERE name = 'rate';
	UPDATE ownership.field SET policy = 'observe';
	SET ownership.system = 'crm';
	UPDATE film SET rate = 1.99;
	SELECT ownership.flush();
	RESET ownership.system;
	CREATE ROLE watcher LOGIN;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO watcher});
$films = write_out('films', 'SELECT ownership.page()', 'films.html');
%cards = map { /id="decide(\d+)">(.*)$/s ? ($1 => plain($2)) : () } split /(?=<li id="decide)/, section_of($films, 'decide');
like($cards{1}, qr/^high film\.ratecrm writes it\. erp owns it, and was never seen writing it\. Its copies hold different values\./, 'neither an owner that was never seen writes a field, nor whose copy differs');
like(section_of($films, 'contacts'), qr/<summary>For <bdi>pim<\/bdi> \(no contact is on the map\): <b>5</, 'the owner of most of an entity is asked about the rest');
like(plain(section_of($films, 'contacts')), qr/For shop \(no contact is on the map\): 1/, 'whose copy differs is asked about that');
is(scalar(() = write_out('films', 'SELECT ownership.page()', 'watched.html', '-U', 'watcher') =~ /It contains/g), 0, 'who may not see values of conflicts puts none of tables on the page');

# What the reader may not read is not on it.
sql($node, 'trial', 'CREATE ROLE onlooker LOGIN');
my $public = write_out('trial', 'SELECT ownership.page()', 'public.html', '-U', 'onlooker');
is(scalar(() = section_of($public, 'decide') =~ /<li id="decide\d+">/g), 10, 'everyone sees what must be decided');
lacks($public, qr/Shop title|Shop name|>Example<|SKU-1/, 'but no values');
is(scalar(() = $public =~ /Left out: role <code><bdi>onlooker<\/bdi><\/code> may not read/g), 3, 'and is told so');

# Nothing on the map; nothing wrong with it.
sql($node, 'postgres', 'CREATE DATABASE nothing');
sql($node, 'nothing', 'CREATE EXTENSION ownership');
my $nothing = write_out('nothing', 'SELECT ownership.page()', 'nothing.html');
has(section_of($nothing, 'decide'), qr/There is nothing to decide: no field is on the map yet\./, 'an empty map has a page');
has($nothing, qr/<dd>&ndash;<small>/, 'and no percentage');
sql($node, 'nothing', q{CREATE TABLE item (sku text PRIMARY KEY, price numeric);
	SELECT ownership.add_system('erp', 'erp'), ownership.assign('item', NULL, 'erp', rationale => 'as agreed')});
my $right = write_out('nothing', 'SELECT ownership.page()', 'right.html');
has(section_of($right, 'decide'), qr/There is nothing to decide: every field has one system of record/, 'a map without risks has nothing to decide');
has(section_of($right, 'contacts'), qr/There is nothing to ask/, 'nor to ask');
SKIP:
{
	skip('no browser', 1) if !$browser;
	probed('nothing_probed.html', $nothing);
	probed('right_probed.html', $right);
	foreach (qw(nothing right))
	{
		like(browse("${_}_probed.html", '--window-size=1280,900', '--dump-dom') =~ /<pre id="probe-result">(.*?)<\/pre>/s ? $1 : '', qr/cards at none, wrong: nothing$/, "$_ is wrong with it");
	}
}

$node->stop;
done_testing();
