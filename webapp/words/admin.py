"""What the administrators' pages say: the review desk, the queue, the search, the model."""

DESK = {
    "desk.title": ("Vérification", "Review"),
    "desk.waiting": (
        "{count} {count:produit attend|produits attendent} une vérification.",
        "{count} {count:product waits|products wait} for a review.",
    ),
    "desk.waiting_capped": (
        "Plus de {count} produits attendent une vérification.",
        "More than {count} products wait for a review.",
    ),
    "desk.list": ("Voir la file d'attente", "Show the queue"),
    "desk.why.low_confidence": (
        "Le modèle n'est pas assez sûr de sa proposition.",
        "The model is not sure enough of its proposal.",
    ),
    "desk.why.text_and_picture_disagree": (
        "Le texte et l'image ne désignent pas la même catégorie.",
        "Text and picture point to different categories.",
    ),
    "desk.why.category_missing": (
        "Le vendeur pense qu'aucune des 27 catégories ne convient.",
        "The seller thinks that none of the 27 categories fits.",
    ),
    "desk.why.seller_disagrees": (
        "Le vendeur a choisi une autre catégorie que celle du modèle.",
        "The seller chose another category than the model.",
    ),
    "desk.why.contradiction": (
        "Un produit avec le même texte a été classé autrement : lequel des deux a raison ?",
        "A product with the same text was put in another category: which of the two is right?",
    ),
    "desk.why.failed": (
        "Le service de classement n'a pas su traiter ce produit.",
        "The prediction service could not deal with this product.",
    ),
    "desk.why.unknown": ("Ce produit attend une vérification.", "This product waits for a review."),
    "desk.why.done": (
        "Ce produit n'est pas dans la file d'attente : il est {state}. Vous pouvez revoir sa catégorie.",
        "This product is not in the queue: it is {state}. You can judge it again.",
    ),
    "desk.seller_chose": ("Choix du vendeur : {category}", "The seller's choice: {category}"),
    "desk.seller_said": ("Commentaire du vendeur : « {comment} »", "The seller's comment: “{comment}”"),
    "desk.seller_rated": (
        "Note du vendeur pour la proposition : {rating} sur 5",
        "The seller's rating of the proposal: {rating} out of 5",
    ),
    "desk.about": ("N° {id:id} · {seller} · {at}", "No. {id:id} · {seller} · {at}"),
    "desk.reference": ("Référence : {reference}", "Reference: {reference}"),
    "desk.open": ("Fiche complète", "Full record"),
    "desk.no_description": ("Sans description", "No description"),
    "desk.picture": ("Image du produit", "Picture of the product"),
    "desk.no_picture": ("Sans image", "No picture"),
    "desk.accept": ("Accepter : {category}", "Accept: {category}"),
    "desk.accept_none": ("Accepter", "Accept"),
    "desk.candidates": ("Ou l'une des cinq propositions", "Or one of the five proposals"),
    "desk.no_candidates": (
        "Le modèle n'a rien proposé : choisissez la catégorie vous-même.",
        "The model proposed nothing: choose the category yourself.",
    ),
    "desk.other": ("Autre catégorie", "Another category"),
    "desk.reject": ("Refuser", "Reject"),
    "desk.skip": ("Passer", "Skip"),
    "desk.keys": (
        "Clavier : A ou Entrée accepte, 1 à 5 choisit une proposition, C cherche une autre catégorie, R refuse, "
        "S passe. Les touches dorment pendant que vous écrivez.",
        "Keyboard: A or Enter accepts, 1 to 5 takes a proposal, C looks for another category, R rejects, S skips. "
        "The keys are asleep while you type.",
    ),
    "desk.held": ("Réservé pour vous jusqu'à {time}", "Held for you until {time}"),
    "desk.held_over": (
        "Votre réservation est terminée : un autre administrateur peut prendre ce produit.",
        "Your hold has ended: another administrator may take this product.",
    ),
    "desk.hold_again": ("Réserver encore 10 minutes", "Hold for another 10 minutes"),
    "desk.others": ("En cours chez les autres : {names}", "With the others now: {names}"),
    "desk.others.one": ("{name} (n° {id:id})", "{name} (no. {id:id})"),
    "desk.done": (
        "{count} {count:produit traité|produits traités} depuis l'ouverture de la page. Dernier : n° {id:id}, {what}.",
        "{count} {count:product|products} dealt with since the page was opened. Last: no. {id:id}, {what}.",
    ),
    "desk.done.accepted": ("accepté dans {category}", "accepted as {category}"),
    "desk.done.rejected": ("refusé", "rejected"),
    "desk.done.skipped": ("passé", "skipped"),
    "desk.look_again": ("Revoir", "Look again"),
    "desk.empty": (
        "Rien à vérifier. Les produits incertains arriveront ici d'eux-mêmes.",
        "Nothing to review. Uncertain products will arrive here by themselves.",
    ),
    "desk.empty_for_you": (
        "Plus rien pour vous : le reste est chez d'autres administrateurs, ou vous venez de le passer.",
        "Nothing left for you: the rest is with other administrators, or you have just skipped it.",
    ),
    "desk.arrived": ("De nouveaux produits attendent.", "New products are waiting."),
    "desk.changed": (
        "Le produit n° {id:id} a changé entre-temps ; la page est à jour.",
        "Product no. {id:id} was changed meanwhile; the page is up to date.",
    ),
    "desk.start": ("Commencer", "Start"),
    "desk.fix_title": ("Choisir une autre catégorie", "Choose another category"),
    "desk.fix_reason": ("Motif (facultatif)", "Reason (optional)"),
    "desk.fix": ("Corriger et accepter", "Fix and accept"),
    "desk.reject_title": ("Refuser ce produit", "Reject this product"),
    "desk.reject_hint": (
        "Le vendeur lira ce motif et pourra corriger son produit. Ctrl + Entrée pour envoyer.",
        "The seller reads this reason and can mend the product. Ctrl + Enter sends it.",
    ),
    "desk.reject_reason": ("Motif du refus", "Reason for the rejection"),
    "desk.reason.picture": (
        "L'image ne montre pas le produit décrit.",
        "The picture does not show the product that is described.",
    ),
    "desk.reason.text": (
        "Le titre et la description ne suffisent pas à reconnaître le produit.",
        "Title and description do not tell what the product is.",
    ),
    "desk.reason.bundle": (
        "L'annonce réunit plusieurs produits différents.",
        "The offer combines several different products.",
    ),
    "desk.reason.forbidden": (
        "Ce produit ne peut pas être vendu ici.",
        "This product cannot be sold here.",
    ),
}

INSIGHT = {
    "insight.title": ("Pourquoi cette proposition", "Why this proposal"),
    "insight.busy": ("L'explication arrive…", "The explanation is on its way…"),
    "insight.down": (
        "Le service de classement ne répond pas : ni explication ni produits semblables pour l'instant. "
        "Vous pouvez décider sans eux.",
        "The prediction service does not answer: no explanation and no similar products for now. "
        "You can decide without them.",
    ),
    "insight.refused": (
        "Le service de classement n'a pas pu expliquer ce produit.",
        "The prediction service could not explain this product.",
    ),
    "insight.again": ("Réessayer", "Try again"),
    "insight.similar": ("Produits semblables déjà connus", "Similar products that are known"),
    "insight.no_similar": ("Aucun produit connu ne lui ressemble.", "No known product is like it."),
    "insight.far": (
        "Rien de connu ne ressemble vraiment à ce produit : peut-être aucune catégorie ne convient-elle.",
        "Nothing known is really like this product: perhaps no category fits.",
    ),
    "insight.similarity": ("Ressemblance : {share:%}", "Similarity: {share:%}"),
    "insight.picture_of": ("Image de « {designation} »", "Picture of “{designation}”"),
}

PICKER = {
    "picker.label": ("Catégorie (nom ou code)", "Category (name or code)"),
    "picker.hint": (
        "Tapez quelques lettres, puis Entrée pour prendre la première.",
        "Type some letters, then Enter to take the first.",
    ),
    "picker.found": (
        "{count} {count:catégorie|catégories}",
        "{count} {count:category|categories}",
    ),
    "picker.none": (
        "Aucune catégorie ne s'appelle ainsi. Voici les {count} catégories autorisées :",
        "No category has this name. These are the {count} allowed categories:",
    ),
    "picker.missing": ("Choisissez une catégorie.", "Choose a category."),
}

QUEUE = {
    "queue.title": ("File d'attente", "Review queue"),
    "queue.lead": (
        "Les produits les plus incertains et des catégories les plus rares viennent en premier.",
        "The most uncertain products, and those of the rarest categories, come first.",
    ),
    "queue.back": ("Vérifier un par un", "Review one by one"),
    "queue.empty": ("La file d'attente est vide.", "The queue is empty."),
    "queue.nothing": ("Aucun produit en attente ne correspond.", "No waiting product matches."),
    "queue.free": ("Libre", "Free"),
    "queue.held_by": ("{name} jusqu'à {time}", "{name} until {time}"),
    "queue.review": ("Vérifier", "Review"),
    "queue.review_one": ("Vérifier le produit n° {id:id}", "Review product no. {id:id}"),
}

LISTING = {
    "listing.text": ("Titre, description ou numéro", "Title, description or number"),
    "listing.seller": ("Vendeur (nom ou e-mail)", "Seller (name or e-mail)"),
    "listing.category": ("Catégorie", "Category"),
    "listing.state": ("État", "State"),
    "listing.reason": ("Motif de vérification", "Reason for the review"),
    "listing.since": ("Du", "From"),
    "listing.until": ("Au", "To"),
    "listing.select": ("Sélection", "Select"),
    "listing.select_one": ("Sélectionner le produit n° {id:id}", "Select product no. {id:id}"),
    "listing.product": ("Produit", "Product"),
    "listing.confidence": ("Confiance", "Confidence"),
    "listing.added": ("Ajouté", "Added"),
    "listing.held": ("Chez", "With"),
    "listing.action": ("Action", "Action"),
    "listing.id": ("n° {id:id}", "no. {id:id}"),
    "listing.proposed": ("Proposé : {category}", "Proposed: {category}"),
    "listing.updated": (
        "Liste à jour : {count} {count:produit|produits}.",
        "List up to date: {count} {count:product|products}.",
    ),
}

BULK = {
    "bulk.none": ("Aucun produit sélectionné", "No product selected"),
    "bulk.selected": (
        "{count} {count:produit sélectionné|produits sélectionnés}",
        "{count} {count:product|products} selected",
    ),
    "bulk.page": ("Sélectionner la page", "Select this page"),
    "bulk.all": (
        "Sélectionner tous les résultats ({most} au plus)",
        "Select all results (at most {most})",
    ),
    "bulk.clear": ("Tout désélectionner", "Clear the selection"),
    "bulk.accept": ("Accepter", "Accept"),
    "bulk.fix": ("Changer de catégorie", "Change the category"),
    "bulk.reject": ("Refuser", "Reject"),
    "bulk.accept_title": (
        "Accepter {count} {count:produit|produits} ?",
        "Accept {count} {count:product|products}?",
    ),
    "bulk.accept_hint": (
        "Chaque produit garde la catégorie qu'il a maintenant.",
        "Each product keeps the category that it has now.",
    ),
    "bulk.fix_title": (
        "Changer la catégorie de {count} {count:produit|produits}",
        "Change the category of {count} {count:product|products}",
    ),
    "bulk.reject_title": (
        "Refuser {count} {count:produit|produits}",
        "Reject {count} {count:product|products}",
    ),
    "bulk.progress": ("{done} sur {total}", "{done} of {total}"),
    "bulk.result": (
        "{done} {done:produit traité|produits traités}, {refused} {refused:refusé|refusés}.",
        "{done} {done:product|products} done, {refused} refused.",
    ),
    "bulk.stopped": (
        "L'opération s'est arrêtée : {left} {left:produit n'a pas été traité|produits n'ont pas été traités}.",
        "The work stopped: {left} {left:product was|products were} not dealt with.",
    ),
    "bulk.done_one": ("Fait", "Done"),
    "bulk.result_of": ("Résultat", "Result"),
    "bulk.results": ("Résultat pour chaque produit", "Result for each product"),
    "bulk.claimed": (
        "Un autre administrateur examine ce produit.",
        "Another administrator is looking at this product.",
    ),
}

FIND = {
    "find.title": ("Rechercher un produit", "Search a product"),
    "find.not_found": ("Le produit n° {id:id} est introuvable.", "Product no. {id:id} was not found."),
    "find.nothing": ("Aucun produit ne correspond à cette recherche.", "No product matches this search."),
    "find.empty": (
        "Il n'y a pas encore de produit. Les vendeurs les proposent depuis leur compte.",
        "There are no products yet. Sellers submit them from their accounts.",
    ),
    "find.change": ("Changer la catégorie", "Change the category"),
    "find.change_short": ("Changer", "Change"),
    "find.change_of": ("Changer la catégorie du produit n° {id:id}", "Change the category of product no. {id:id}"),
    "find.change_hint": (
        "Le changement est enregistré avec votre nom, et le modèle apprendra de lui.",
        "The change is stored with your name, and the model will learn from it.",
    ),
    "find.now": ("Catégorie actuelle : {category}", "Category now: {category}"),
    "find.changed": (
        "Produit n° {id:id} : la catégorie est maintenant « {category} ».",
        "Product no. {id:id}: the category is now “{category}”.",
    ),
}

MODEL = {
    "drift.title": ("Dérive", "Drift"),
    "drift.hint": (
        "Les produits de la semaine, les réponses du modèle et les corrections sont comparés avec ce que le modèle a "
        "appris. À partir de 1, l'écart n'est plus dû au hasard, et le modèle apprend de nouveau dès que des "
        "étiquettes récentes le permettent.",
        "The week's products, the model's answers and people's corrections are compared with what the model learnt. "
        "From 1 on the difference is no chance, and the model learns anew as soon as there are recent labels.",
    ),
    "drift.none": (
        "Aucun rapport encore : il faut 200 réponses du modèle en service.",
        "No report yet: it takes 200 answers of the champion.",
    ),
    "drift.alt": (
        "Indice de dérive de chaque rapport. Les chiffres sont dans le tableau qui suit.",
        "Drift score of each report. The numbers are in the table that follows.",
    ),
    "drift.score": ("Indice de dérive", "Drift score"),
    "drift.limit": ("Limite du hasard", "Limit of chance"),
    "drift.until": ("Jusqu'au", "Until"),
    "drift.verdict": ("Constat", "Finding"),
    "drift.found": ("Dérive {score}", "Drift {score}"),
    "drift.quiet": ("Stable {score}", "Stable {score}"),
    "drift.parts": ("Surtout dans", "Most in"),
    "drift.rows": ("Produits", "Products"),
    "drift.labelled": ("Décidés", "Decided"),
    "drift.model": ("Modèle", "Model"),
    "drift.report": ("Rapport", "Report"),
    "drift.open.features": ("Produits", "Products"),
    "drift.open.answers": ("Réponses", "Answers"),
    "news.title": ("Notifications", "Notifications"),
    "news.none": ("Aucune notification encore.", "No notification yet."),
    "news.at": ("Date", "Date"),
    "news.kind": ("Sujet", "About"),
    "news.subject": ("Message", "Message"),
    "news.sent": ("Envoyé par", "Sent by"),
    "news.waiting": ("{sent}, à renvoyer : {error}", "{sent}, to be sent again: {error}"),
    "news.kind.drift_found": ("Dérive", "Drift"),
    "news.kind.training_failed": ("Échec d'entraînement", "Training failed"),
    "news.kind.run_failed": ("Échec", "Failure"),
    "news.kind.challenger_refused": ("Modèle écarté", "Challenger refused"),
    "news.kind.champion_promoted": ("Modèle promu", "Champion promoted"),
    "news.kind.service_unhealthy": ("Service en panne", "Service down"),
    "news.kind.service_healthy": ("Service rétabli", "Service back"),
    "news.kind.data_missing": ("Données absentes", "Data missing"),
    "news.kind.purged": ("Compte effacé", "Account purged"),
    "card.title": ("Fiche du modèle {version}", "Model card {version}"),
    "card.hint": (
        "Rédigée en anglais par l'entraînement ; elle ne contient que des chiffres et des noms de catégories.",
        "Written by the lineage; it holds figures and names of categories alone.",
    ),
    "card.back": ("Retour au modèle", "Back to the model"),
    "card.open": ("Fiche du modèle", "Model card"),
    "model.title": ("Modèle", "Model"),
    "model.none": (
        "Aucun modèle n'a encore été jugé. Le premier entraînement remplira cette page.",
        "No model has been judged yet. The first training will fill this page.",
    ),
    "model.open_dagster": ("Ouvrir Dagster", "Open Dagster"),
    "model.open_mlflow": ("Ouvrir MLflow", "Open MLflow"),
    "model.open_drift": ("Rapports de dérive", "Drift reports"),
    "model.champion": ("Modèle en service", "Champion"),
    "model.version": ("Version {number} ({version})", "Version {number} ({version})"),
    "model.since": ("Depuis le {at}", "Since {at}"),
    "model.why": ("Motif : {reason}", "Reason: {reason}"),
    "model.gold": ("Résultats sur le jeu de référence", "Scores on the gold set"),
    "model.gold_hint": (
        "Le jeu de référence ne sert jamais à entraîner ; chaque modèle est jugé sur les mêmes produits.",
        "No model is ever trained on the gold set; each is judged on the same products.",
    ),
    "model.part": ("Partie", "Part"),
    "model.text": ("Texte seul", "Text alone"),
    "model.image": ("Image seule", "Picture alone"),
    "model.stacked": ("Texte et image", "Text and picture"),
    "model.n": ("Produits", "Products"),
    "model.weighted_f1": ("F1 pondéré", "Weighted F1"),
    "model.macro_f1": ("F1 macro", "Macro F1"),
    "model.accuracy": ("Exactitude", "Accuracy"),
    "model.ece": ("Erreur de calibration", "Calibration error"),
    "model.history": ("Modèles jugés", "Judged models"),
    "model.judged": ("Jugé le", "Judged"),
    "model.number": ("Version", "Version"),
    "model.outcome": ("Décision", "Decision"),
    "model.promoted": ("Promu", "Promoted"),
    "model.refused": ("Écarté", "Refused"),
    "model.reason": ("Motif", "Reason"),
    "model.gate": ("Écart avec le précédent", "Difference to the one before"),
    "model.gate_value": ("{value} (entre {low} et {high})", "{value} (between {low} and {high})"),
    "model.confusion": ("Matrice de confusion", "Confusion matrix"),
    "model.confusion_hint": (
        "Chaque ligne est une vraie catégorie ; sa couleur dit où vont ses produits. La diagonale est juste.",
        "Each row is a true category; the colour says where its products go. The diagonal is right.",
    ),
    "model.confusion_alt": (
        "Matrice de confusion de 27 catégories. Les confusions les plus fréquentes sont dans le tableau qui suit.",
        "Confusion matrix of 27 categories. The most frequent confusions are in the table that follows.",
    ),
    "model.confused": ("Confusions les plus fréquentes", "Most frequent confusions"),
    "model.no_confusion": ("Aucune confusion sur le jeu de référence.", "No confusion on the gold set."),
    "model.matrix": ("La matrice en chiffres", "The matrix in numbers"),
    "model.truth": ("Vraie catégorie", "True category"),
    "model.predicted": ("Catégorie prédite", "Predicted category"),
    "model.share": ("Part des produits", "Share of the products"),
    "model.per_class": ("F1 par catégorie", "F1 by category"),
    "model.per_class_alt": (
        "F1 de chaque catégorie, de la plus faible à la meilleure. Les chiffres sont dans le tableau qui suit.",
        "F1 of each category, from the weakest to the best. The numbers are in the table that follows.",
    ),
    "model.numbers": ("Voir les chiffres", "Show the numbers"),
    "model.category": ("Catégorie", "Category"),
    "model.precision": ("Précision", "Precision"),
    "model.recall": ("Rappel", "Recall"),
    "model.f1": ("F1", "F1"),
    "model.live": ("Ce que les gens en pensent", "How people take it"),
    "model.rates_category": ("Acceptation par catégorie", "Acceptance by category"),
    "model.rates_version": ("Acceptation par version du modèle", "Acceptance by model version"),
    "model.decided": ("Décisions", "Decisions"),
    "model.acceptance": ("Acceptées", "Accepted"),
    "model.override": ("Corrigées", "Overridden"),
    "model.confidence": ("Confiance moyenne", "Mean confidence"),
    "model.no_rates": (
        "Personne n'a encore confirmé ni corrigé de catégorie.",
        "Nobody has confirmed or corrected a category yet.",
    ),
    "model.calibration": ("Calibration", "Calibration"),
    "model.calibration_hint": (
        "Une confiance de 80 % devrait être juste huit fois sur dix : les points devraient suivre la diagonale.",
        "A confidence of 80 % should be right eight times out of ten: the points should follow the diagonal.",
    ),
    "model.calibration_alt": (
        "Justesse selon la confiance. Les chiffres sont dans le tableau qui suit.",
        "Accuracy by confidence. The numbers are in the table that follows.",
    ),
    "model.series_gold": ("Jeu de référence", "Gold set"),
    "model.series_live": ("Décisions prises", "Decisions made"),
    "model.series_perfect": ("Calibration parfaite", "Perfectly calibrated"),
    "model.source": ("Source", "Source"),
    "model.right": ("Juste", "Right"),
    "model.bin": ("Confiance", "Confidence"),
    "model.drift": ("Évolution", "Over time"),
    "model.drift_hint": (
        "La dérive (indice de stabilité de population) compare les catégories prédites de la semaine avec celles "
        "de l'entraînement : stable au-dessous de 0,1, une autre population au-dessus de 0,25.",
        "Drift (population stability index) compares the categories predicted in the week with those of the "
        "training: stable below 0.1, another population above 0.25.",
    ),
    "model.drift_alt": (
        "Acceptation et confiance moyenne par semaine. Les chiffres sont dans le tableau qui suit.",
        "Acceptance and mean confidence by week. The numbers are in the table that follows.",
    ),
    "model.drift_bars_alt": (
        "Dérive par semaine. Les chiffres sont dans le tableau qui suit.",
        "Drift by week. The numbers are in the table that follows.",
    ),
    "model.no_drift": (
        "Il faut au moins 50 prédictions par semaine pour mesurer la dérive.",
        "It takes at least 50 predictions a week to measure drift.",
    ),
    "model.week": ("Semaine du", "Week of"),
    "model.predictions": ("Prédictions", "Predictions"),
    "model.drift_value": ("Dérive", "Drift"),
    "model.no_weeks": ("Aucune prédiction ces dernières semaines.", "No predictions in the last weeks."),
    "model.market": ("La place de marché, sur 30 jours", "The marketplace, over 30 days"),
    "model.market.products": ("Produits", "Products"),
    "model.market.waiting": ("À classer", "To be classified"),
    "model.market.to_review": ("À vérifier", "To review"),
    "model.market.decided": ("Décisions", "Decisions"),
    "model.market.acceptance": ("Propositions acceptées", "Proposals accepted"),
    "model.market.time": ("Délai médian jusqu'à la décision", "Median time to the decision"),
    "model.market.rating": ("Note moyenne des vendeurs", "Sellers' mean rating"),
    "model.market.rating_value": ("{rating} sur 5", "{rating} out of 5"),
    "model.service": ("État du service", "Service health"),
    "model.service_hint": (
        "Un service en panne et un modèle qui vieillit sont deux problèmes différents : "
        "ici le service, plus bas le modèle.",
        "A service that is down and a model that grows old are two different problems: "
        "here the service, below the model.",
    ),
    "model.service.asking": ("Le service est interrogé…", "Asking the service…"),
    "model.service.up": ("Le service de classement répond.", "The prediction service answers."),
    "model.service.down": (
        "Le service de classement ne répond pas. Les nouveaux produits sont enregistrés et attendent son retour.",
        "The prediction service does not answer. New products are stored, and classified when it is back.",
    ),
    "model.service.serves": ("Il sert la version {version}.", "It serves version {version}."),
    "model.service.other": (
        "Il sert la version {version}, mais le modèle en service devrait être {champion}.",
        "It serves version {version}, but the champion is {champion}.",
    ),
    "model.service.challenger": ("À l'essai : {version}.", "On trial: {version}."),
    "model.backlog.none": ("Aucun produit n'attend le service.", "No product waits for the service."),
    "model.backlog": (
        "{count} {count:tâche attend|tâches attendent} le service, la plus ancienne depuis le {oldest}.",
        "{count} {count:task waits|tasks wait} for the service, the oldest since {oldest}.",
    ),
    "model.backlog.failing": (
        "{count} {count:tâche est retentée|tâches sont retentées} après une erreur.",
        "{count} {count:task is|tasks are} being retried after an error.",
    ),
    "model.retrain": ("Réentraînement", "Retraining"),
    "model.retrain_hint": (
        "Le réentraînement démarre dans Dagster. Le nouveau modèle ne remplace l'ancien que s'il n'est pas moins bon.",
        "The retraining starts in Dagster. The new model replaces the old one only where it is no worse.",
    ),
    "model.retrain_reason": ("Pourquoi réentraîner maintenant ?", "Why retrain now?"),
    "model.retrain_ask": ("Demander un réentraînement", "Ask for a retraining"),
    "model.retrain_asked": ("La demande est enregistrée.", "The request is stored."),
    "model.retrain_none": ("Personne n'a encore demandé de réentraînement.", "Nobody has asked for a retraining yet."),
    "model.retrain_by": ("Par", "By"),
    "model.retrain_at": ("Demandé le", "Asked"),
    "model.retrain_state": ("État", "State"),
    "model.retrain_run": ("Exécution", "Run"),
    "model.retrain_open": ("Voir dans Dagster", "Show in Dagster"),
    "model.retrain.asked": ("Demandé", "Asked"),
    "model.retrain.started": ("En cours", "Running"),
    "model.retrain.succeeded": ("Réussi", "Succeeded"),
    "model.retrain.refused": ("Modèle écarté", "Model refused"),
    "model.retrain.failed": ("Échoué", "Failed"),
}

TEXTS: dict[str, tuple[str, str]] = {**DESK, **INSIGHT, **PICKER, **QUEUE, **LISTING, **BULK, **FIND, **MODEL}
