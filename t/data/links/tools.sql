-- Values that are the same in every run: pseudo-random numbers by name.
CREATE SCHEMA gen;
-- 0 to n - 1
CREATE FUNCTION gen.r(seed text, n int) RETURNS int LANGUAGE SQL IMMUTABLE AS
$$SELECT (('x' || substr(md5(seed), 1, 8))::bit(32)::bigint & 2147483647) % n$$;
-- true in so many percent
CREATE FUNCTION gen.p(seed text, percent numeric) RETURNS boolean LANGUAGE SQL IMMUTABLE AS
$$SELECT gen.r(seed, 10000) < percent * 100$$;
CREATE FUNCTION gen.pick(seed text, words text[]) RETURNS text LANGUAGE SQL IMMUTABLE AS
$$SELECT words[1 + gen.r(seed, cardinality(words))]$$;
-- skewed: the first words are much more frequent
CREATE FUNCTION gen.skewed(seed text, words text[]) RETURNS text LANGUAGE SQL IMMUTABLE AS
$$SELECT words[1 + least(gen.r(seed, cardinality(words)), gen.r(seed || 'b', cardinality(words)), gen.r(seed || 'c', cardinality(words)))]$$;
CREATE FUNCTION gen.first_name(seed text) RETURNS text LANGUAGE SQL IMMUTABLE AS
$$SELECT gen.pick(seed, '{Anna,Ben,Clara,David,Emma,Felix,Greta,Hugo,Ines,Jonas,Karla,Leon,Mia,Noah,Olga,Paul,Quinn,Rosa,Samuel,Tina,Ulf,Vera,Willi,Xenia,Yann,Zoe,Maria,Peter,Laura,Tom}')$$;
CREATE FUNCTION gen.last_name(seed text) RETURNS text LANGUAGE SQL IMMUTABLE AS
$$SELECT gen.pick(seed, '{Maier,Huber,Schmidt,Weber,Wagner,Becker,Hoffmann,Koch,Bauer,Richter,Klein,Wolf,Neumann,Schwarz,Braun,Zimmermann,Krause,Vogel,Frank,Lang,Winter,Sommer,Roth,Beck,Lorenz,Baumann,Franke,Albrecht,Simon,Ludwig,Horn,Busch,Pohl,Sauer,Arnold}')
  || CASE WHEN gen.p(seed || 'x', 30) THEN '-' || gen.pick(seed || 'y', '{Adler,Brandt,Conrad,Dietz,Engel,Fuchs,Graf,Hahn}') ELSE '' END$$;
CREATE FUNCTION gen.city(seed text) RETURNS text LANGUAGE SQL IMMUTABLE AS
$$SELECT gen.skewed(seed, '{Berlin,Hamburg,Wien,München,Köln,Graz,Frankfurt,Stuttgart,Zürich,Linz,Bremen,Leipzig,Dresden,Salzburg,Hannover,Basel,Bern,Essen,Dortmund,Bonn,Mainz,Ulm,Kiel,Jena,Trier,Passau,Lübeck,Rostock}')$$;
CREATE FUNCTION gen.words(seed text) RETURNS text LANGUAGE SQL IMMUTABLE AS
$$SELECT gen.pick(seed || 1, '{Solid,Light,Classic,Urban,Alpine,Smart,Vintage,Pro,Eco,Royal,Basic,Ultra}') || ' ' ||
  gen.pick(seed || 2, '{Oak,Steel,Cotton,Leather,Bamboo,Ceramic,Glass,Wool,Copper,Linen}') || ' ' ||
  gen.pick(seed || 3, '{Chair,Table,Lamp,Bag,Shirt,Mug,Bottle,Shelf,Desk,Clock,Jacket,Rug,Bowl,Knife,Frame}') || ' ' || (10 + gen.r(seed || 4, 90))$$;
